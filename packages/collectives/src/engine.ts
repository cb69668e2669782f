// What moves elements between ranks. An engine knows no tensors: it is given memory, and every
// group of tensors (tensor_group.ts) is built over one.

import { storageBytes, type Storage } from "@tessera/kernels/memory";
import type { ReduceOp } from "./group.js";

export type Values = Float32Array | Int32Array | Uint8Array;

/** `size` elements, by the address of native memory or as an array of JavaScript's. */
export interface Elements {
  readonly storage: Storage;
  readonly size: number;
  readonly memory: number | Values;
}

/** Sizes: `to` of a gather holds the group's size times `from`; of a scatter, that part of it. */
export type Call =
  | { readonly kind: "allReduce"; readonly from: Elements; readonly to: Elements; op: ReduceOp }
  | { readonly kind: "reduceScatter"; readonly from: Elements; readonly to: Elements; op: ReduceOp }
  | { readonly kind: "allGather"; readonly from: Elements; readonly to: Elements }
  | { readonly kind: "broadcast"; readonly from: Elements; readonly to: Elements; root: number }
  | { readonly kind: "send"; readonly from: Elements; readonly peer: number; readonly tag: number }
  | { readonly kind: "receive"; readonly to: Elements; readonly peer: number; readonly tag: number }
  | { readonly kind: "barrier"; readonly seconds?: number };

export interface Pending {
  readonly done: boolean;
  /** Seconds from the call to its end; known once it is done. */
  readonly seconds: number;
  wait(): void;
}

/** One group's engine. The memory of a call is left alone by its caller until it is done. */
export interface Engine {
  /** Whether it takes addresses; else it is given arrays. */
  readonly native: boolean;
  start(call: Call): Pending;
}

export const bytesOf = ({ storage, size }: Pick<Elements, "storage" | "size">): number =>
  storageBytes(storage, size);

/** What a call is, in an error: "allReduce (sum) of 4 fp32". */
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
