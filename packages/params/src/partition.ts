// How a parameter is sharded over the ranks of a tensor-parallel group. Pure arithmetic.

import { UserError } from "@tessera/config";
import type { ShardIndex, Range } from "@tessera/mesh";

/** How tensor parallelism shards one dimension of a parameter. */
export interface Partition {
  /** The dimension that is sharded. */
  readonly dim: number;
  /** Number of units along the dimension, each of which stays on one rank: heads, columns, tokens. */
  readonly units: number;
  /** The units in error messages: "heads". */
  readonly unitName: string;
  /**
   * `even`: the number of ranks must divide the units. `replicated`: with fewer units than ranks, neighbouring ranks
   * have replicas of one, like KV heads in grouped-query attention. `uneven`: the last rank may have fewer.
   */
  readonly rule: "even" | "replicated" | "uneven";
}

/** How many of `count` tensor-parallel ranks have the same units. */
export const replicaCount = ({ rule, units }: Partition, count: number): number =>
  rule === "replicated" ? count / Math.min(count, units) : 1;

/**
 * The range of `shard` in a dimension of `extent`.
 * @throws UserError that names `path` where the units cannot be sharded over so many ranks.
 */
export function partitionRange(
  extent: number,
  partition: Partition,
  shard: ShardIndex,
  path: string,
): Range {
  const { units, rule } = partition;
  const refuse = (hint: string): never => {
    throw new UserError(
      `${path}: ${units} ${partition.unitName} cannot be sharded over ${shard.count} tensor-parallel ranks; ` +
        `use ${hint}`,
    );
  };
  const width = extent / units;
  if (rule === "uneven") {
    const each = Math.ceil(units / shard.count);
    if (each * (shard.count - 1) >= units) refuse("a smaller degree, so that each rank has some");
    const start = shard.index * each;
    return { start: start * width, size: (Math.min(start + each, units) - start) * width };
  }
  const replicas = replicaCount(partition, shard.count);
  const holders = shard.count / replicas;
  if (!Number.isInteger(replicas) || units % holders !== 0) {
    const divides = `a degree that divides ${units}`;
    refuse(rule === "replicated" ? `${divides}, or a multiple of it` : divides);
  }
  const size = extent / holders;
  return { start: Math.floor(shard.index / replicas) * size, size };
}

/** How the rows of a table [vocabulary, width] are sharded. */
export const vocabularyPartition = (vocabulary: number): Partition => ({
  dim: 0,
  units: vocabulary,
  unitName: "tokens of the vocabulary",
  rule: "uneven",
});

/** The tokens whose rows `shard` has. */
export const vocabularyRange = (vocabulary: number, shard: ShardIndex): Range =>
  partitionRange(vocabulary, vocabularyPartition(vocabulary), shard, "vocabulary");
