// Which elements two stretches of one parameter have in common. Pure arithmetic: this is all of resharding.

import type { FlatRange } from "@tessera/params";
import { contiguousRuns, type TensorSlice } from "@tessera/random";

/** Elements [first, first + size) of a window, in its order. */
export type Stretch = Pick<FlatRange, "slice" | "sliceOffset" | "size">;

/** Elements that lie side by side in two stretches, counted from the beginning of each. */
export interface Overlap {
  readonly from: number;
  readonly to: number;
  readonly length: number;
}

const runsOf = ({ slice, sliceOffset, size }: Stretch) =>
  contiguousRuns(slice, sliceOffset, sliceOffset + size);

/** The places in the whole of the first and of the last element. */
function boundsOf({ slice, sliceOffset, size }: Stretch): readonly [number, number] {
  const placeOf = (index: number): number => {
    const [run] = contiguousRuns(slice, index, index + 1);
    return run!.offset;
  };
  return [placeOf(sliceOffset), placeOf(sliceOffset + size - 1)];
}

function areApart(a: Stretch, b: Stretch): boolean {
  if (a.size === 0 || b.size === 0) return true;
  const isBeside = (x: TensorSlice, y: TensorSlice): boolean =>
    x.start.some((start, dim) => start + x.size[dim]! <= y.start[dim]!);
  if (isBeside(a.slice, b.slice) || isBeside(b.slice, a.slice)) return true;
  const [first, last] = boundsOf(a);
  const [otherFirst, otherLast] = boundsOf(b);
  return last < otherFirst || otherLast < first;
}

/** What `source` and `target`, of the same whole, have in common, in the order of both. */
export function* overlaps(source: Stretch, target: Stretch): Generator<Overlap> {
  if (areApart(source, target)) return;
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

function* overlapsOfRuns(source: Stretch, target: Stretch): Generator<Overlap> {
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
