// Ranks that act together: the whole contract. Every engine that passes `checkLaws` keeps it.

import type { Tensor } from "@tensorflow/tfjs-core";
import type { Storage } from "@tessera/kernels/memory";

/** How elements of several ranks become one. Sums of 16-bit floats are taken in fp32. */
export type ReduceOp = "sum" | "mean" | "max" | "min";

/** The largest tag of a message: what MPI leaves of a group's tags. */
export const MOST_TAG = 248;

/** Something under way. The tensors that it reads must not change before it is done. */
export interface Work<T = Tensor> {
  /** Whether `wait` would return at once. */
  readonly done: boolean;
  /**
   * Blocks until it is done; to be called once. The caller owns what is returned. Throws where the
   * time limit passes first, naming the call, its number, the group, and who had not arrived.
   */
  wait(): T;
}

export interface ReceiveOptions {
  /** How the sender's elements lie in memory. */
  readonly storage?: Storage;
  /** That of the send: a whole number up to `MOST_TAG`. */
  readonly tag?: number;
}

/**
 * Ranks that act together. Collectives are called by all of them, in the same order; results are
 * the same to the bit on all ranks, and from run to run. Sends and receives between two ranks match
 * in the order of their posting, each tag by itself, and neither waits for the other to be posted.
 */
export interface ProcessGroup {
  /** What errors call it. */
  readonly name: string;
  /** This process's place in `ranks`. */
  readonly rank: number;
  readonly size: number;
  /** Its members' ranks in the world. */
  readonly ranks: readonly number[];
  readonly traffic: Traffic;

  allReduce(x: Tensor, op?: ReduceOp): Work;
  /** The same of numbers of the host, which no tensor's memory is read for. */
  allReduceValues(values: Float32Array, op?: ReduceOp): Work<Float32Array>;
  /** This rank's slice, along `axis`, of the whole reduction. */
  reduceScatter(x: Tensor, axis: number, op?: ReduceOp): Work;
  /** The tensors of all ranks, joined along `axis` in rank order. */
  allGather(x: Tensor, axis: number): Work;
  /** The root's x. The others' say its shape and storage. */
  broadcast(x: Tensor, root: number): Work;
  /** x may be disposed at once. Done when its memory may be written over. */
  send(x: Tensor, to: number, tag?: number): Work<void>;
  receive(shape: readonly number[], from: number, options?: ReceiveOptions): Work;
  /** Returns when all ranks have called it; throws after `seconds`, or the group's time limit. */
  barrier(seconds?: number): void;
}

export type Kind =
  "allReduce" | "reduceScatter" | "allGather" | "broadcast" | "send" | "receive" | "barrier";

/** What went through a group so far, as counted where it went. */
export interface Traffic {
  /** Calls, by kind. */
  readonly calls: Readonly<Record<Kind, number>>;
  /** Bytes of the tensors that this rank put in (received ones: got), by kind. */
  readonly bytes: Readonly<Record<Kind, number>>;
  /** Seconds from each call to its end, added up. */
  readonly busySeconds: number;
  /** Seconds for which `wait` held this rank's computation up. */
  readonly waitedSeconds: number;
}

/** A fresh count, to be added to. */
export function newTraffic() {
  const zero = (): Record<Kind, number> => ({
    allReduce: 0,
    reduceScatter: 0,
    allGather: 0,
    broadcast: 0,
    send: 0,
    receive: 0,
    barrier: 0,
  });
  return { calls: zero(), bytes: zero(), busySeconds: 0, waitedSeconds: 0 };
}
