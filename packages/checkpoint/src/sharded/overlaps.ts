// The elements that two ranges of one parameter have in common. Pure arithmetic: this is all of resharding.

import type { FlatRange } from "@tessera/params";
import { contiguousRuns, type TensorSlice } from "@tessera/random";

/** Elements [sliceOffset, sliceOffset + size) of a slice. */
export type SliceRange = Pick<FlatRange, "slice" | "sliceOffset" | "size">;

/** Elements that are contiguous in two ranges, by their offsets in each. */
export interface Overlap {
  readonly from: number;
  readonly to: number;
  readonly length: number;
}

const runsOf = ({ slice, sliceOffset, size }: SliceRange) =>
  contiguousRuns(slice, sliceOffset, sliceOffset + size);

/** Offsets of the first and the last element in the whole tensor. */
function boundsOf({ slice, sliceOffset, size }: SliceRange): readonly [number, number] {
  const offsetOf = (index: number): number => {
    const [run] = contiguousRuns(slice, index, index + 1);
    return run!.offset;
  };
  return [offsetOf(sliceOffset), offsetOf(sliceOffset + size - 1)];
}

function areDisjoint(a: SliceRange, b: SliceRange): boolean {
  if (a.size === 0 || b.size === 0) return true;
  const isBeside = (x: TensorSlice, y: TensorSlice): boolean =>
    x.start.some((start, dim) => start + x.size[dim]! <= y.start[dim]!);
  if (isBeside(a.slice, b.slice) || isBeside(b.slice, a.slice)) return true;
  const [first, last] = boundsOf(a);
  const [otherFirst, otherLast] = boundsOf(b);
  return last < otherFirst || otherLast < first;
}

/** The overlaps of `source` and `target`, which are ranges of one tensor, in order. */
export function* overlaps(source: SliceRange, target: SliceRange): Generator<Overlap> {
  if (areDisjoint(source, target)) return;
  let joined = null as Overlap | null;
  for (const found of overlapsOfRuns(source, target)) {
    if (joined !== null && follows(joined, found)) {
      joined = { ...joined, length: joined.length + found.length };
      continue;
    }
    if (joined !== null) yield joined;
    joined = found;
  }
  if (joined !== null) yield joined;
}

const follows = (a: Overlap, b: Overlap): boolean =>
  a.from + a.length === b.from && a.to + a.length === b.to;

function* overlapsOfRuns(source: SliceRange, target: SliceRange): Generator<Overlap> {
  const sources = runsOf(source);
  const targets = runsOf(target);
  let [a, b] = [sources.next(), targets.next()];
  while (a.done !== true && b.done !== true) {
    const start = Math.max(a.value.offset, b.value.offset);
    const [endA, endB] = [a.value, b.value].map(({ offset, length }) => offset + length);
    const length = Math.min(endA!, endB!) - start;
    if (length > 0) {
      yield {
        from: a.value.sliceOffset - source.sliceOffset + start - a.value.offset,
        to: b.value.sliceOffset - target.sliceOffset + start - b.value.offset,
        length,
      };
    }
    if (endA! <= endB!) a = sources.next();
    else b = targets.next();
  }
}
