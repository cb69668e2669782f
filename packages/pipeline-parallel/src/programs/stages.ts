// A stage of the executor's test: a few linear layers, and the loss sum(y^2) / 2 behind the last.

import "@tensorflow/tfjs-backend-cpu";
import {
  enableProdMode,
  memory,
  randomNormal,
  setBackend,
  type Tensor,
} from "@tensorflow/tfjs-core";
import type { World } from "@tessera/collectives";
import { linear, sequence, evalContext } from "@tessera/layers";
import { accumulate, disposeTree, leaves, materialize } from "@tessera/params";
import type { AnyLayer } from "@tessera/layers";
import type { GradientSink, Tree } from "@tessera/params";
import {
  execute,
  deferGradients,
  createSchedules,
  splitEvenly,
  type PipelineChunk,
  type ScheduleKind,
} from "../index.js";

export interface Job {
  readonly kind: ScheduleKind;
  readonly micros: number;
  readonly chunks: number;
}

export interface Done {
  /** By the layer's number and the parameter's name. */
  readonly gradients: Readonly<Record<string, Float32Array>>;
  readonly leaked: number;
}

const LAYERS = 8;
const WIDTH = 6;
const ROWS = 3;

interface Saved {
  readonly record: Tree;
  /** The last part's output, from which its gradient is made. */
  readonly y: Tensor | null;
}

interface Model {
  readonly layer: AnyLayer;
  readonly params: Tree;
  readonly sink: GradientSink<Tree>;
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

function partOf({ layer, params, sink, isFirst, isLast }: Model): PipelineChunk<Saved> {
  const backward = (
    into: GradientSink<Tree>,
    { record, y }: Saved,
    dy: Tensor | null,
  ): Tensor | null => {
    const dx = layer.backward(params, record, y ?? dy!, into, evalContext);
    y?.dispose();
    if (!isFirst) return dx;
    dx.dispose();
    return null;
  };
  return {
    forward(microbatch, x) {
      const own = x ?? randomNormal([ROWS, WIDTH], 0, 1, "float32", 1 + microbatch);
      const [y, record] = layer.forward(params, own, evalContext);
      if (x === null) own.dispose();
      return { y: isLast ? null : y, saved: { record, y: isLast ? y : null } };
    },
    backward: (_micro, saved, dy) => backward(sink, saved, dy),
    input(_micro, saved, dy) {
      const { sink: deferred, release } = deferGradients(params);
      return { dx: backward(deferred, saved, dy), weight: () => release(sink) };
    },
  };
}

function run(world: World, { kind, micros: microbatches, chunks }: Job): Done {
  const { all: group } = world;
  const spans = splitEvenly(LAYERS, group.size * chunks);
  const before = memory().numTensors;
  const models = Array.from({ length: chunks }, (_, chunk) => {
    const part = chunk * group.size + group.rank;
    const { start, size } = spans[part]!;
    const names = Array.from({ length: size }, (__, i) => String(start + i));
    const one = linear({ inFeatures: WIDTH, outFeatures: WIDTH, std: 0.5 });
    const layer: AnyLayer = sequence(Object.fromEntries(names.map((name) => [name, one])));
    const params = materialize<Tree>(layer.spec, 7);
    const sums = accumulate(params);
    return { layer, params, sums, isFirst: part === 0, isLast: part === spans.length - 1 };
  });
  const parts = models.map((model) => partOf({ ...model, sink: model.sums.sink }));
  execute(
    { chunks: parts, group, message: { shape: () => [ROWS, WIDTH] } },
    createSchedules(kind, { stages: group.size, microbatches, chunks })[group.rank]!,
  );
  const gradients: Record<string, Float32Array> = {};
  for (const { sums, params } of models) {
    const taken = sums.take();
    for (const [path, x] of leaves<Tensor>(taken)) gradients[path] = x.dataSync<"float32">();
    disposeTree(taken);
    disposeTree(params);
  }
  return { gradients, leaked: memory().numTensors - before };
}

export async function main(world: World, jobs: readonly Job[]): Promise<Done[]> {
  enableProdMode(); // no advice to install another backend
  await setBackend("cpu");
  return jobs.map((job) => run(world, job));
}
