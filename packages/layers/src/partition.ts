// How a parameter is shared out among the ranks of a tensor-parallel group. Pure arithmetic.

import { UserError } from "@tessera/config";
import type { ShardIndex, Range } from "@tessera/mesh";

export interface Partition {
  /** The dimension that is split. */
  readonly dim: number;
  /** How many units the dimension is made of, each of which stays on one rank. */
  readonly units: number;
  /** What the units are, for people: "heads". */
  readonly unitName: string;
  /**
   * `even`: ranks divide the units. `shared`: there may also be fewer units than ranks; neighbours then
   * hold the same one. `ragged`: they need not divide; the last ranks hold less.
   */
  readonly rule: "even" | "shared" | "ragged";
}

/** Ranks that hold the same units of `cut`, where `count` ranks share it. */
export const replicaCount = ({ rule, units }: Partition, count: number): number =>
  rule === "shared" ? count / Math.min(count, units) : 1;

/** What `part` holds of a dimension of `extent`. Throws a UserError, naming `path`, where it cannot. */
export function partitionRange(
  extent: number,
  partition: Partition,
  shard: ShardIndex,
  path: string,
): Range {
  const { units, rule } = partition;
  const refuse = (must: string): never => {
    throw new UserError(
      `${path}: ${units} ${partition.unitName} cannot be shared out to ${shard.count} tensor-parallel ranks, ` +
        `which must ${must}`,
    );
  };
  const width = extent / units;
  if (rule === "ragged") {
    const each = Math.ceil(units / shard.count);
    if (each * (shard.count - 1) >= units) refuse(`be fewer, so that each has some`);
    const start = shard.index * each;
    return { start: start * width, size: (Math.min(start + each, units) - start) * width };
  }
  const copies = replicaCount(partition, shard.count);
  const holders = shard.count / copies;
  if (!Number.isInteger(copies) || units % holders !== 0) {
    refuse(rule === "shared" ? "divide them, or be a multiple of them" : "divide them");
  }
  const size = extent / holders;
  return { start: Math.floor(shard.index / copies) * size, size };
}

/** How the rows of a table [vocabulary, width] are shared out. */
export const vocabularyPartition = (vocabulary: number): Partition => ({
  dim: 0,
  units: vocabulary,
  unitName: "tokens of the vocabulary",
  rule: "ragged",
});

/** The tokens whose rows `part` holds. */
export const vocabularyRange = (vocabulary: number, shard: ShardIndex): Range =>
  partitionRange(vocabulary, vocabularyPartition(vocabulary), shard, "vocabulary");
