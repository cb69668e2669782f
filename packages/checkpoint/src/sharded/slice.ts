// Which elements two stretches of one parameter have in common. Pure arithmetic: this is all of resharding.

import type { Piece } from "@tessera/layers";
import { runs, type Window } from "@tessera/random";

/** Elements [first, first + size) of a window, in its order. */
export type Stretch = Pick<Piece, "window" | "first" | "size">;

/** Elements that lie side by side in two stretches, counted from the beginning of each. */
export interface Overlap {
  readonly from: number;
  readonly to: number;
  readonly length: number;
}

const runsOf = ({ window, first, size }: Stretch) => runs(window, first, first + size);

/** The places in the whole of the first and of the last element. */
function boundsOf({ window, first, size }: Stretch): readonly [number, number] {
  const placeOf = (index: number): number => {
    const [run] = runs(window, index, index + 1);
    return run!.first;
  };
  return [placeOf(first), placeOf(first + size - 1)];
}

function areApart(a: Stretch, b: Stretch): boolean {
  if (a.size === 0 || b.size === 0) return true;
  const isBeside = (x: Window, y: Window): boolean =>
    x.start.some((start, dim) => start + x.size[dim]! <= y.start[dim]!);
  if (isBeside(a.window, b.window) || isBeside(b.window, a.window)) return true;
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
    const start = Math.max(a.value.first, b.value.first);
    const [endA, endB] = [a.value, b.value].map(({ first, length }) => first + length);
    const length = Math.min(endA!, endB!) - start;
    if (length > 0) {
      yield {
        from: a.value.at - source.first + start - a.value.first,
        to: b.value.at - target.first + start - b.value.first,
        length,
      };
    }
    if (endA! <= endB!) a = sources.next();
    else b = targets.next();
  }
}
