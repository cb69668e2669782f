// One stage of the executor's test: a few linear layers, and after the last of all the loss sum(y^2) / 2.

import "@tensorflow/tfjs-backend-cpu";
import {
  enableProdMode,
  memory,
  randomNormal,
  setBackend,
  type Tensor,
} from "@tensorflow/tfjs-core";
import type { World } from "@tessera/collectives";
import { evalContext, linear, stack, type AnyLayer } from "@tessera/layers";
import {
  accumulate,
  disposeTree,
  leaves,
  materialize,
  type GradientSink,
  type Tree,
} from "@tessera/params";
import {
  execute,
  deferGradients,
  createSchedules,
  splitEvenly,
  type PipelineChunk,
  type ScheduleKind,
} from "../index.js";

export interface StageJob {
  readonly kind: ScheduleKind;
  readonly microbatches: number;
  readonly chunks: number;
}

export interface StageResult {
  /** By the layer's number and the parameter's name. */
  readonly gradients: Readonly<Record<string, Float32Array>>;
  readonly leaked: number;
}

const LAYERS = 8;
const WIDTH = 6;
const ROWS = 3;

interface Saved {
  readonly layerSaved: Tree;
  /** The output of the last chunk, which is the gradient of its loss. */
  readonly y: Tensor | null;
}

interface BoundModel {
  readonly layer: AnyLayer;
  readonly params: Tree;
  readonly sink: GradientSink<Tree>;
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

function createChunk(model: BoundModel): PipelineChunk<Saved> {
  const { layer, params, sink, isFirst, isLast } = model;
  const backward = (
    gradientSink: GradientSink<Tree>,
    { layerSaved, y }: Saved,
    dy: Tensor | null,
  ): Tensor | null => {
    const dx = layer.backward(params, layerSaved, y ?? dy!, gradientSink, evalContext);
    y?.dispose();
    if (!isFirst) return dx;
    dx.dispose();
    return null;
  };
  return {
    forward(microbatch, x) {
      const input = x ?? randomNormal([ROWS, WIDTH], 0, 1, "float32", 1 + microbatch);
      const [y, layerSaved] = layer.forward(params, input, evalContext);
      if (x === null) input.dispose();
      return { y: isLast ? null : y, saved: { layerSaved, y: isLast ? y : null } };
    },
    backward: (_microbatch, saved, dy) => backward(sink, saved, dy),
    input(_microbatch, saved, dy) {
      const { sink: deferred, release } = deferGradients(params);
      return { dx: backward(deferred, saved, dy), weight: () => release(sink) };
    },
  };
}

function run(world: World, { kind, microbatches, chunks }: StageJob): StageResult {
  const { all: group } = world;
  const ranges = splitEvenly(LAYERS, group.size * chunks);
  const before = memory().numTensors;
  const models = Array.from({ length: chunks }, (_, chunk) => {
    const virtualStage = chunk * group.size + group.rank;
    const { start, size } = ranges[virtualStage]!;
    const names = Array.from({ length: size }, (__, i) => String(start + i));
    const block = linear({ inFeatures: WIDTH, outFeatures: WIDTH, std: 0.5 });
    const layer: AnyLayer = stack(Object.fromEntries(names.map((name) => [name, block])));
    const params = materialize<Tree>(layer.spec, 7);
    const sums = accumulate(params);
    const [isFirst, isLast] = [virtualStage === 0, virtualStage === ranges.length - 1];
    return { layer, params, sums, isFirst, isLast };
  });
  const modelChunks = models.map((model) => createChunk({ ...model, sink: model.sums.sink }));
  execute(
    { chunks: modelChunks, group, message: { shape: () => [ROWS, WIDTH] } },
    createSchedules(kind, { stages: group.size, microbatches, chunks })[group.rank]!,
  );
  const gradients: Record<string, Float32Array> = {};
  for (const { sums, params } of models) {
    const total = sums.take();
    for (const [path, x] of leaves<Tensor>(total)) gradients[path] = x.dataSync<"float32">();
    disposeTree(total);
    disposeTree(params);
  }
  return { gradients, leaked: memory().numTensors - before };
}

export async function main(world: World, jobs: readonly StageJob[]): Promise<StageResult[]> {
  enableProdMode(); // no advice to install another backend
  await setBackend("cpu");
  return jobs.map((job) => run(world, job));
}
