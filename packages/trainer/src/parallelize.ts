// Where the axes meet: what a rank holds of a model, and what it does together with others.

import { meshGroups, type ProcessGroup, type World } from "@tessera/collectives";
import { fullyShard, replicate, fsdpWrapper, type DataParallel } from "@tessera/data-parallel";
import {
  gptStage,
  type GptConfig,
  type GptOptions,
  type GptParams,
  type GptStage,
} from "@tessera/gpt";
import { checkPartition, noTensorParallel, type TensorParallel } from "@tessera/layers";
import { coordinates, rankAt, type Degrees, type Range } from "@tessera/mesh";
import {
  oneStage,
  pipelineAxis,
  type PipelineAxis,
  type ScheduleKind,
} from "@tessera/pipeline-parallel";
import { tensorParallel, sequenceParallel, tensorAxis } from "@tessera/tensor-parallel";
import type { TrainingPlan } from "./plan.js";

export interface ParallelConfig {
  readonly degrees: Degrees;
  /** Whether tensor-parallel ranks share the tokens too, outside of the products. */
  readonly sequenceParallel: boolean;
  /** What data-parallel ranks share out: 1 moments, 2 gradients too, 3 weights too. */
  readonly zeroStage: 0 | 1 | 2 | 3;
  /** Gradients smaller than this travel together. */
  readonly bucketBytes?: number;
  readonly schedule: ScheduleKind;
  /** The blocks of each part of the model: chunk c of stage s is part c x stages + s. */
  readonly layers: readonly Range[];
}

export type Parallelized = Pick<TrainingPlan, "model" | "dataParallel" | "tensor" | "pipeline">;

/**
 * This rank's part in training `config`. Called by all ranks of the world. Throws a UserError, before any
 * memory is taken, where the model cannot be shared out so.
 */
export function parallelize(
  world: World,
  config: GptConfig,
  layout: ParallelConfig,
  options: Pick<GptOptions, "storage" | "recompute"> = {},
): Parallelized {
  const { degrees, layers, zeroStage } = layout;
  const groups = meshGroups(world, degrees);
  const region = regionOf(layout, groups.tensor);
  const shard = region.weightShard;
  const wrapper = zeroStage === 3 ? { around: fsdpWrapper(groups.data, shard) } : {};
  const stages = Array.from({ length: degrees.pipeline }, (_, stage): GptStage => {
    const own = layers.filter((_span, index) => index % degrees.pipeline === stage);
    return gptStage(config, { ...options, tensorParallel: region, ...wrapper }, own);
  });
  const model = stages[groups.pipeline.rank]!;
  checkPartition(model.spec, degrees.tensor);
  return {
    model,
    dataParallel: sharingOf(model, layout, groups.data, shard),
    tensor: tensorAxis(model.spec, region, groups.tensor),
    pipeline: pipelineOf(world, layout, groups.pipeline, stages),
  };
}

function regionOf(layout: ParallelConfig, tensor: ProcessGroup): TensorParallel {
  if (tensor.size === 1) return noTensorParallel;
  return layout.sequenceParallel ? sequenceParallel(tensor) : tensorParallel(tensor);
}

function sharingOf(
  { spec }: GptStage,
  { zeroStage: stage, bucketBytes }: ParallelConfig,
  data: ProcessGroup,
  shard: TensorParallel["weightShard"],
): DataParallel<GptParams> {
  if (stage === 3) return fullyShard<GptParams>(spec, data, shard);
  const size = bucketBytes === undefined ? {} : { bucketBytes };
  return replicate<GptParams>(spec, data, { stage, shard, ...size });
}

function pipelineOf(
  world: World,
  { degrees, schedule: kind, layers }: ParallelConfig,
  group: ProcessGroup,
  stages: readonly GptStage[],
): PipelineAxis {
  if (group.size === 1) return oneStage();
  return pipelineAxis({
    kind,
    chunks: layers.length / degrees.pipeline,
    group,
    endsGroup: endsOf(world, degrees),
    specs: stages.map(({ spec }) => spec),
  });
}

/** The group of the first and the last stage, on these. */
function endsOf(world: World, degrees: Degrees): ProcessGroup | null {
  const at = coordinates(degrees, world.rank);
  const last = degrees.pipeline - 1;
  if (at.pipeline !== 0 && at.pipeline !== last) return null;
  const ends = [0, last].map((pipeline) => rankAt(degrees, { ...at, pipeline }));
  return world.group("both ends of the pipeline", ends);
}
