// A part of something that is shared evenly: which one of how many.

/** One of `count` equal parts. */
export interface ShardIndex {
  readonly index: number;
  readonly count: number;
}

/** A run of `size` positions from `start`. */
export interface Range {
  readonly start: number;
  readonly size: number;
}

/** Nothing is shared: the one part is everything. */
export const UNSHARDED: ShardIndex = { index: 0, count: 1 };

export const dividesEvenly = (extent: number, count: number): boolean => extent % count === 0;

/** The positions of `extent` that belong to `part`. Throws a RangeError where they do not divide. */
export function evenRange(extent: number, shard: ShardIndex): Range {
  if (!dividesEvenly(extent, shard.count)) {
    throw new RangeError(`${extent} cannot be shared evenly by ${shard.count}`);
  }
  const size = extent / shard.count;
  return { start: shard.index * size, size };
}
