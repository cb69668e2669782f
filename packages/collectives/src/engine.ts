// An engine moves memory between ranks, and knows no tensors; `tensorGroup` makes a ProcessGroup of one.

import { storageBytes } from "@tessera/kernels/memory";
import type { ReduceOp, SentStorage } from "./group.js";

/** Memory of JavaScript's. */
export type Values = Float32Array | Int32Array | Uint8Array;

/** `size` elements: the address of native memory, or an array. */
export interface Elements {
  readonly storage: SentStorage;
  /** In elements, not in bytes. */
  readonly size: number;
  readonly memory: number | Values;
}

/** `onto`: what `to` has already, plus the sum. */
export type ScatterOp = ReduceOp | "onto";

/** An all-gather's `to` has group size times the elements of `from`; a reduce-scatter's `from` those of `to`. */
export type Call =
  | { readonly kind: "allReduce"; readonly from: Elements; readonly to: Elements; op: ReduceOp }
  | {
      readonly kind: "reduceScatter";
      readonly from: Elements;
      readonly to: Elements;
      op: ScatterOp;
    }
  | { readonly kind: "allGather"; readonly from: Elements; readonly to: Elements }
  | { readonly kind: "broadcast"; readonly from: Elements; readonly to: Elements; root: number }
  | { readonly kind: "send"; readonly from: Elements; readonly peer: number; readonly tag: number }
  | { readonly kind: "receive"; readonly to: Elements; readonly peer: number; readonly tag: number }
  | { readonly kind: "barrier"; readonly seconds?: number };

/** A call in flight. */
export interface Pending {
  readonly done: boolean;
  /** Seconds from start to end of the call; 0 until it is done. */
  readonly seconds: number;
  wait(): void;
}

/** The engine of one group. The caller must not touch a call's memory until the call is done. */
export interface Engine {
  /** Whether it takes addresses of native memory; else it takes arrays. */
  readonly native: boolean;
  start(call: Call): Pending;
}

/** Bytes of elements as they are sent. */
export const bytesOf = ({ storage, size }: Pick<Elements, "storage" | "size">): number =>
  storageBytes(storage, size);

/** A call in error messages: "allReduce (sum) of 4 fp32". */
export function describeCall(call: Call): string {
  switch (call.kind) {
    case "allReduce":
    case "reduceScatter":
      return `${call.kind} (${call.op}) of ${call.from.size} ${call.from.storage}`;
    case "allGather":
      return `allGather of ${call.from.size} ${call.from.storage}`;
    case "broadcast":
      return `broadcast from ${call.root} of ${call.from.size} ${call.from.storage}`;
    case "send":
      return `send to ${call.peer} of ${call.from.size} ${call.from.storage}`;
    case "receive":
      return `receive from ${call.peer} of ${call.to.size} ${call.to.storage}`;
    case "barrier":
      return "barrier";
  }
}
