// Shards of an extent, by index.

declare const of: unique symbol;

/** Shard `index` of `count`. `Of`: of what, where the compiler is to tell shards apart. */
export interface ShardIndex<Of extends string = string> {
  /** From 0. */
  readonly index: number;
  readonly count: number;
  /** There is nothing here at run time. */
  readonly [of]?: Of;
}

/** `size` consecutive positions from `start`. */
export interface Range {
  readonly start: number;
  readonly size: number;
}

/** The only shard of something that is not sharded. */
export const UNSHARDED: ShardIndex<never> = { index: 0, count: 1 };

/** Whether `count` divides `extent`. */
export const dividesEvenly = (extent: number, count: number): boolean => extent % count === 0;

/**
 * The range of `extent` that `shard` has, where all shards have equal ones.
 * @throws RangeError where the number of shards does not divide `extent`.
 */
export function evenRange(extent: number, shard: ShardIndex): Range {
  if (!dividesEvenly(extent, shard.count)) {
    throw new RangeError(`${shard.count} shards do not divide ${extent} evenly`);
  }
  const size = extent / shard.count;
  return { start: shard.index * size, size };
}
