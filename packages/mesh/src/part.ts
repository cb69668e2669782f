// A part of something that is shared evenly: which one of how many.

/** One of `count` equal parts. */
export interface Part {
  readonly index: number;
  readonly count: number;
}

/** A run of `size` positions from `start`. */
export interface Span {
  readonly start: number;
  readonly size: number;
}

/** Nothing is shared: the one part is everything. */
export const WHOLE: Part = { index: 0, count: 1 };

export const sharesEvenly = (extent: number, count: number): boolean => extent % count === 0;

/** The positions of `extent` that belong to `part`. Throws a RangeError where they do not divide. */
export function span(extent: number, part: Part): Span {
  if (!sharesEvenly(extent, part.count)) {
    throw new RangeError(`${extent} cannot be shared evenly by ${part.count}`);
  }
  const size = extent / part.count;
  return { start: part.index * size, size };
}
