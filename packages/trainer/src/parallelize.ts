// Where the axes of a run meet: what this rank holds of a model, and what it does together with others. The one
// place that knows which axes there are.

import { meshGroups, type World } from "@tessera/collectives";
import type { DataParallel } from "@tessera/data-parallel";
import { noTensorParallel } from "@tessera/layers/parallel";
import { checkPartition, type Tree } from "@tessera/params";
import type { ShardIndex } from "@tessera/mesh";
import { modelStage, type Model, type ModelOptions, type ModelStage } from "@tessera/model";
import { checkLayouts, groupOf, type Optimizer } from "@tessera/optim";
import type { ParallelAxis } from "@tessera/parallel";
import type { PipelineAxis } from "@tessera/pipeline-parallel";
import { dataDefinition } from "./axes/data.js";
import type { AxisContext, AxisDefinition } from "./axes/definition.js";
import { pipelineDefinition } from "./axes/pipeline.js";
import { tensorDefinition } from "./axes/tensor.js";
import { resolveParallel, type ParallelConfig } from "./parallel_config.js";

/** A model on this rank, and the axes along which it works with others. */
export interface Parallelized<P extends Tree = Tree> {
  /** What this rank holds of the model. */
  readonly model: ModelStage<P>;
  /** Outermost first. `dataParallel` and `pipeline` are two of them. */
  readonly axes: readonly ParallelAxis[];
  /** Who holds which weights, gradients and optimizer state. */
  readonly dataParallel: DataParallel<P>;
  /** In which order this stage runs microbatches. */
  readonly pipeline: PipelineAxis;
  /** What this rank holds of each parameter that is sharded by tensor parallelism. */
  readonly weightShard: ShardIndex;
}

export interface ParallelizeOptions extends Pick<ModelOptions, "storage" | "recompute"> {
  /** What will update the parameters: needed where it has parameter groups. Default: one that has none. */
  readonly optimizer?: Optimizer;
}

/**
 * Parallelizes `model`. Called by all ranks of the world.
 * @throws UserError, before any memory is taken, where the model cannot be sharded so, or the optimizer needs more
 * of a parameter than a rank would have.
 */
export function parallelize<P extends Tree>(
  world: World,
  model: Model<P>,
  config: ParallelConfig = {},
  { optimizer, ...options }: ParallelizeOptions = {},
): Parallelized<P> {
  const resolved = resolveParallel(config, world.size, model.layerCount);
  const [pipeline, data] = [
    pipelineDefinition<P>(resolved),
    dataDefinition<P>(resolved, (path) => (optimizer ? groupOf(optimizer, path).index : 0)),
  ];
  const definitions = [pipeline, data, ...resolved.axes, tensorDefinition<P>(resolved)];
  const groups = meshGroups(world, definitions);
  const wrapped = definitions.reduceRight<ModelOptions>(
    (so, definition, i) => definition.wrap?.(so, groups[i]!) ?? so,
    options,
  );
  const stages = Array.from({ length: pipeline.degree }, (_, stage) =>
    modelStage(
      model,
      wrapped,
      resolved.layers.filter((_range, index) => index % pipeline.degree === stage),
    ),
  );
  const stage = stages[groups[0]!.rank]!;
  const { weightShard } = wrapped.tensorParallel ?? noTensorParallel;
  checkPartition(stage.spec, weightShard.count);
  const create = <A extends ParallelAxis>(definition: AxisDefinition<P, A>): A => {
    const group = groups[definitions.indexOf(definition)]!;
    const context: AxisContext<P> = { world, mesh: definitions, group, stage, stages };
    return definition.create(context);
  };
  const [pipelineAxis, dataParallel] = [create(pipeline), create(data)];
  if (optimizer) checkLayouts(optimizer, dataParallel.layouts, stage.spec);
  const axes = definitions.map((definition) => {
    if (definition === pipeline) return pipelineAxis;
    return definition === data ? dataParallel : create(definition);
  });
  return { model: stage, axes, dataParallel, pipeline: pipelineAxis, weightShard };
}
