// Which shard of something that is divided evenly.

/** Shard `index` of `count` equal ones. */
export interface ShardIndex {
  readonly index: number;
  readonly count: number;
}

/** `size` consecutive positions from `start`. */
export interface Range {
  readonly start: number;
  readonly size: number;
}

/** The one shard of what is not sharded. */
export const UNSHARDED: ShardIndex = { index: 0, count: 1 };

export const dividesEvenly = (extent: number, count: number): boolean => extent % count === 0;

/**
 * The positions of `extent` that belong to `shard`.
 * @throws RangeError where they do not divide.
 */
export function evenRange(extent: number, shard: ShardIndex): Range {
  if (!dividesEvenly(extent, shard.count)) {
    throw new RangeError(`${extent} does not divide evenly by ${shard.count}`);
  }
  const size = extent / shard.count;
  return { start: shard.index * size, size };
}
