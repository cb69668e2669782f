// The contract of process groups. Engines that pass `checkLaws` fulfil it.

import type { Tensor } from "@tensorflow/tfjs-core";
import type { Storage } from "@tessera/kernels/memory";

/** How elements are stored that go from rank to rank. */
export type SentStorage = Exclude<Storage, "int8">;

/** How the elements of all ranks are reduced. 16-bit floats are summed in fp32. */
export type ReduceOp = "sum" | "mean" | "max" | "min";

/** The largest tag of a message: the MPI engine uses the other tags itself. */
export const MAX_TAG = 248;

/** An asynchronous call. The tensors that it reads must not change before it is done. */
export interface Work<T = Tensor> {
  /** Whether `wait` would return immediately. */
  readonly done: boolean;
  /**
   * Blocks until it is done; must be called once. The caller owns the result.
   * @throws Error on timeout that names the call, its number, the group, and the ranks that did not call it.
   */
  wait(): T;
}

/** How a tensor was sent. */
export interface ReceiveOptions {
  /** The storage of the sender's tensor. Default: fp32. */
  readonly storage?: SentStorage;
  /** The tag of the send, at most `MAX_TAG`. Default: 0. */
  readonly tag?: number;
}

/**
 * Ranks that communicate, as in torch.distributed. All ranks call collectives in the same order; results are the same
 * to the bit on all ranks and in every run. Sends and receives between two ranks match in the order in which they are
 * posted, separately for each tag, and neither blocks until the other is posted. Methods borrow their tensors.
 */
export interface ProcessGroup {
  /** Its name in error messages. */
  readonly name: string;
  /** This rank's index in `ranks`. */
  readonly rank: number;
  readonly size: number;
  /** Its members' ranks in the world. */
  readonly ranks: readonly number[];
  readonly traffic: Traffic;

  allReduce(x: Tensor, op?: ReduceOp): Work;
  /** All-reduce of host memory: no tensor is read back. */
  allReduceValues(values: Float32Array, op?: ReduceOp): Work<Float32Array>;
  /** This rank's shard of the reduction along `axis`, whose extent the group size divides. */
  reduceScatter(x: Tensor, axis: number, op?: ReduceOp): Work;
  /**
   * `sum` [n] plus this rank's shard of x [size n] from all ranks, both fp32, added one after the other in rank order:
   * sums that are continued have the bits of one long sum. Consumes `sum`, whose memory is written.
   */
  reduceScatterOnto(sum: Tensor, x: Tensor): Work;
  /** The tensors of all ranks, concatenated along `axis` in rank order. */
  allGather(x: Tensor, axis: number): Work;
  /** The x of rank `root`; other ranks pass a tensor of the same shape and storage. */
  broadcast(x: Tensor, root: number): Work;
  /** x may be disposed immediately. Done when its memory may be overwritten. */
  send(x: Tensor, to: number, tag?: number): Work<void>;
  /** A tensor of `shape` from rank `from`. */
  receive(shape: readonly number[], from: number, options?: ReceiveOptions): Work;
  /** Returns when all ranks have called it. Throws after `seconds`. Default: the group's timeout. */
  barrier(seconds?: number): void;
}

/** The kinds of calls. */
export type CallKind =
  "allReduce" | "reduceScatter" | "allGather" | "broadcast" | "send" | "receive" | "barrier";

/** What a group has communicated so far. */
export interface Traffic {
  /** Number of calls, by kind. */
  readonly calls: Readonly<Record<CallKind, number>>;
  /** Bytes of this rank's input tensors (of receives: output tensors), by kind. */
  readonly bytes: Readonly<Record<CallKind, number>>;
  /** Sum of the seconds from start to end of each call. */
  readonly busySeconds: number;
  /** Seconds that this rank was blocked in `wait`: communication that did not overlap with computation. */
  readonly waitedSeconds: number;
}

/** Traffic counters at zero. */
export function createTraffic() {
  const zero = (): Record<CallKind, number> => ({
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
