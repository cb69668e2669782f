// Which elements of which parameters a rank's tensors have, whatever strategy sharded them. Checkpoints save and load
// states by these layouts alone.

import { sizeOf } from "@tessera/kernels/contract";
import type { ShardIndex } from "@tessera/mesh";
import type { TensorSlice } from "@tessera/random";
import { shardSlice, type ParamSpec } from "./spec.js";

/** Elements of a parameter that are contiguous both in a slice of it and in a tensor. */
export interface FlatRange {
  readonly path: string;
  readonly slice: TensorSlice;
  /** Offset of the first element in the slice, in row-major order. */
  readonly sliceOffset: number;
  /** In elements. */
  readonly size: number;
  /** Offset of the first element in the tensor. Elements that no range covers are padding. */
  readonly tensorOffset: number;
}

/** The shape of a tensor, and the ranges of parameters in it. */
export interface ShardLayout {
  readonly shape: readonly number[];
  readonly ranges: readonly FlatRange[];
}

/** The layout of a tensor that holds all that `shard` has of a parameter. */
export function shardLayout(spec: ParamSpec, shard: ShardIndex, path: string): ShardLayout {
  const slice = shardSlice(spec, shard, path);
  const all = { path, slice, sliceOffset: 0, size: sizeOf(slice.size), tensorOffset: 0 };
  return { shape: slice.size, ranges: [all] };
}

/** The part of `range` in chunk `index` of its tensor, in chunks of `size` elements: one range, or none. */
export function clipRange(range: FlatRange, index: number, size: number): readonly FlatRange[] {
  const from = Math.max(range.tensorOffset, index * size);
  const to = Math.min(range.tensorOffset + range.size, (index + 1) * size);
  if (from >= to) return [];
  const sliceOffset = range.sliceOffset + from - range.tensorOffset;
  return [{ ...range, sliceOffset, size: to - from, tensorOffset: from - index * size }];
}

/** Shard `index` of `count` of a range, as even as possible: one range, or none. */
export function splitRange(range: FlatRange, { index, count }: ShardIndex): readonly FlatRange[] {
  const [from, to] = [index, index + 1].map((i) => Math.floor((range.size * i) / count));
  const [start, size] = [from!, to! - from!];
  if (size === 0) return [];
  return [
    {
      ...range,
      sliceOffset: range.sliceOffset + start,
      size,
      tensorOffset: range.tensorOffset + start,
    },
  ];
}
