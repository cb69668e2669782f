// Data parallelism: ranks that see different samples, and ZeRO's stages of what they shard.

import type { ProcessGroup } from "@tessera/collectives";
import { fsdpWrapper, fullyShard, replicate, type DataParallel } from "@tessera/data-parallel";
import { noTensorParallel } from "@tessera/layers/parallel";
import type { Tree } from "@tessera/params";
import type { ModelOptions } from "@tessera/model";
import type { ResolvedParallel } from "../parallel_config.js";
import type { AxisDefinition } from "./definition.js";

const weightShard = ({ tensorParallel = noTensorParallel }: ModelOptions) =>
  tensorParallel.weightShard;

/** @param groupOf the optimizer's group of a parameter. */
export function dataDefinition<P extends Tree>(
  { data: degree, zeroStage, sumOrder, bucketBytes }: ResolvedParallel,
  groupOf: (path: string) => number,
): AxisDefinition<P, DataParallel<P>> {
  // One rank has nobody to share with.
  const stage = degree === 1 ? 0 : zeroStage;
  return {
    name: "data",
    degree,
    wrap: (options, group: ProcessGroup) =>
      stage === 3 ? { ...options, wrapper: fsdpWrapper(group, weightShard(options)) } : options,
    create({ group, stage: { spec, options } }) {
      const shard = weightShard(options);
      if (stage === 3) return fullyShard<P>(spec, group, { shard, sumOrder });
      const buckets = bucketBytes === undefined ? {} : { bucketBytes };
      return replicate<P>(spec, group, { stage, sumOrder, shard, groupOf, ...buckets });
    },
  };
}
