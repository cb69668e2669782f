// What a rank's tensors hold of parameters, whoever shared them out: so that states are saved and loaded
// without knowing how.

import type { ShardIndex } from "@tessera/mesh";
import type { TensorSlice } from "@tessera/random";
import { shardSlice, type ParamSpec } from "./spec.js";

/** Some elements of a parameter, one after another both in a window of it and in a tensor. */
export interface FlatRange {
  readonly path: string;
  readonly slice: TensorSlice;
  /** The place in the window, in its order, of the piece's first element. */
  readonly sliceOffset: number;
  readonly size: number;
  /** Its place in the tensor. What no piece covers there is padding. */
  readonly tensorOffset: number;
}

/** A tensor before it exists, and what of which parameters it holds. */
export interface ShardLayout {
  readonly shape: readonly number[];
  readonly ranges: readonly FlatRange[];
}

const elementCount = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** A tensor that has all that `part` holds of a parameter. */
export function shardLayout(spec: ParamSpec, shard: ShardIndex, path: string): ShardLayout {
  const slice = shardSlice(spec, shard, path);
  const whole = { path, slice, sliceOffset: 0, size: elementCount(slice.size), tensorOffset: 0 };
  return { shape: slice.size, ranges: [whole] };
}

/**
 * What of `range` lies in part `index` of the tensor it is in, whose parts have `size` elements each: a
 * list of one piece, or of none.
 */
export function clipRange(range: FlatRange, index: number, size: number): readonly FlatRange[] {
  const from = Math.max(range.tensorOffset, index * size);
  const to = Math.min(range.tensorOffset + range.size, (index + 1) * size);
  if (from >= to) return [];
  const first = range.sliceOffset + from - range.tensorOffset;
  return [{ ...range, sliceOffset: first, size: to - from, tensorOffset: from - index * size }];
}

/** One of `count` shares of a piece, as even as can be: a list of one piece, or of none. */
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
