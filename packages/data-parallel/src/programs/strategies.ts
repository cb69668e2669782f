// One rank of the strategies' test: its local parameters, optimizer shards and reduced gradients under each strategy.
// All values are integers, so sums are exact in any order.

import "@tensorflow/tfjs-backend-cpu";
import {
  enableProdMode,
  memory,
  ones,
  setBackend,
  tensor,
  type Tensor,
} from "@tensorflow/tfjs-core";
import type { Traffic, World } from "@tessera/collectives";
import { call, roundSum } from "@tessera/kernels";
import { sizeOf } from "@tessera/kernels/contract";
import { defineLayer, evalContext, type Layer } from "@tessera/layers";
import type { Outside } from "@tessera/layers/placement";
import { identityWrapper } from "@tessera/layers/parallel";
import {
  accumulateGradient,
  disposeTree,
  leaves,
  mapTree,
  sendGradient,
  type Gradient,
  type ShardLayout,
  type ParamSpec,
  type GradientSink,
  type Tree,
  type TreeOf,
} from "@tessera/params";
import { completeGradients } from "@tessera/parallel";
import { claim } from "@tessera/params/placement";
import type { ShardIndex } from "@tessera/mesh";
import { fullyShard, replicate, fsdpWrapper, type DataParallel, type SumOrder } from "../index.js";

export interface StrategyJob {
  readonly stage: 0 | 1 | 2 | 3;
  readonly sumOrder: SumOrder;
  readonly bucketBytes: number;
  readonly shard: ShardIndex;
  readonly spec: TreeOf<ParamSpec>;
  /** The shape of each parameter's tensor-parallel shard. */
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly microbatches: number;
}

type ByPath = Readonly<Record<string, readonly number[]>>;

export interface StrategyResult {
  readonly full: ByPath;
  /** Gathered from optimizer shards. */
  readonly gathered: ByPath;
  /** Gathered after the way to optimizer shards and back. */
  readonly roundTrip: ByPath;
  /** The elements in this rank's optimizer shards, by its layouts: "path index" to value. */
  readonly elements: readonly (readonly [element: string, value: number])[];
  /** Padding elements in its optimizer shards. */
  readonly padding: number;
  /** Whether its optimizer shards have the shapes of their layouts. */
  readonly matchesLayouts: boolean;
  readonly replica: ShardIndex;
  readonly sums: ByPath;
  /** Where all parameters count, and where none does. */
  readonly sumsOfSquares: readonly number[];
  /** Collective calls that reduce gradients in the step. */
  readonly reductions: number;
  readonly leaked: number;
}

/** Initial value of element `i` of the parameter `path`. */
export const weightAt = (path: string, i: number): number => 100 * path.length + i;

/** Its gradient on a rank, in a microbatch. */
export const gradientAt = (path: string, i: number, rank: number, microbatch: number): number =>
  (rank + 1) * path.length + 10 * microbatch - i;

const valuesOf = (tree: Tree): ByPath =>
  Object.fromEntries(leaves<Tensor>(tree).map(([path, x]) => [path, [...x.dataSync()]]));

const countReductions = ({ calls }: Traffic): number => calls.allReduce + calls.reduceScatter;

const defer = (gradient: Tensor): Gradient => ({
  compute: () => gradient,
  accumulateInto: (sum) => accumulateGradient(sum, gradient),
  discard: () => gradient.dispose(),
});

/**
 * Sends every parameter's gradients, last parameters first: as tensors in the first microbatch, deferred in others; in
 * two terms for a parameter with two gradients.
 */
function sendGradients(
  sink: GradientSink<Tree>,
  { spec, shapes }: StrategyJob,
  rank: number,
  microbatch: number,
): void {
  for (const [path, { gradientCount = 1 }] of leaves<ParamSpec>(spec).toReversed()) {
    const shape = shapes[path]!;
    for (let use = 0; use < gradientCount; use += 1) {
      const values = Float32Array.from({ length: sizeOf(shape) }, (_, i) =>
        use === 0 ? gradientAt(path, i, rank, microbatch) - (gradientCount - 1) : 1,
      );
      const gradient = tensor(values, [...shape]);
      sendGradient(sink, path, microbatch === 0 ? gradient : defer(gradient));
    }
  }
}

/** A layer whose backward sends those gradients, whatever its input. */
const gradientLayer = (job: StrategyJob, rank: number, microbatch: number): Layer<Tree, Tree> =>
  defineLayer({
    spec: job.spec,
    forward: (_params, x) => [x.clone(), {}],
    backward(_params, _saved, dy, sink) {
      sendGradients(sink, job, rank, microbatch);
      return dy.clone();
    },
  });

function run({ all: group }: World, job: StrategyJob): StrategyResult {
  const { stage, sumOrder, bucketBytes, shard, spec, shapes, microbatches } = job;
  const dataParallel: DataParallel<Tree> =
    stage === 3
      ? fullyShard<Tree>(spec, group, { shard, sumOrder })
      : replicate<Tree>(spec, group, { stage, sumOrder, bucketBytes, shard });
  const before = memory().numTensors;
  const params = mapTree(spec, (_leaf: ParamSpec, path): Tensor => {
    const size = sizeOf(shapes[path]!);
    return tensor(
      Float32Array.from({ length: size }, (_, i) => weightAt(path, i)),
      [...shapes[path]!],
    );
  });
  const local = dataParallel.shardParams(params);
  const full = dataParallel.gatherParams(local);

  const { sink, finish } = dataParallel.createReducer(local);
  const reductionsBefore = countReductions(group.traffic);
  const wrapper = stage === 3 ? fsdpWrapper(group, shard) : identityWrapper;
  const dy = claim<Outside>(ones([1]));
  for (let microbatch = 0; microbatch < microbatches; microbatch += 1) {
    const layer = wrapper.layer(gradientLayer(job, group.rank, microbatch));
    const isLast = microbatch === microbatches - 1;
    layer.backward(local, {}, dy, sink(isLast), evalContext).dispose();
  }
  dy.dispose();
  const gradients = completeGradients([], finish()); // no other axes
  const reductions = countReductions(group.traffic) - reductionsBefore;
  const sums = dataParallel.gatherFromOptimizer(gradients);
  const squares = [true, false].map((counts) => {
    const sum = dataParallel.sumOfSquares(gradients, () => counts);
    const { total } = call(roundSum, { sum }, {});
    sum.dispose();
    return total;
  });

  const shards = dataParallel.toOptimizer(local);
  const gathered = dataParallel.gatherFromOptimizer(shards);
  const located = locateElements(shards, dataParallel.layouts);
  const localAgain = dataParallel.fromOptimizer(shards);
  const roundTrip = dataParallel.gatherParams(localAgain);
  const result = {
    full: valuesOf(full),
    gathered: valuesOf(gathered),
    roundTrip: valuesOf(roundTrip),
    sums: valuesOf(sums),
    ...located,
    replica: dataParallel.replica(""),
    sumsOfSquares: squares.map((x) => x.dataSync()[0]!),
    reductions,
  };
  for (const tree of [full, gathered, roundTrip, sums, gradients, localAgain, ...squares])
    disposeTree(tree);
  return { ...result, leaked: memory().numTensors - before };
}

/** The elements of `shards`, by the parameters that `layouts` assign them to. */
function locateElements(shards: Tree, layouts: TreeOf<ShardLayout>) {
  const elements: (readonly [string, number])[] = [];
  let total = 0;
  let matchesLayouts = true;
  const layoutByName = new Map(leaves<ShardLayout>(layouts));
  for (const [name, x] of leaves<Tensor>(shards)) {
    const { shape, ranges } = layoutByName.get(name)!;
    const values = x.dataSync();
    total += x.size;
    matchesLayouts &&= shape.join() === x.shape.join();
    for (const { path, sliceOffset, size, tensorOffset } of ranges) {
      for (let i = 0; i < size; i += 1)
        elements.push([`${path} ${sliceOffset + i}`, values[tensorOffset + i]!]);
    }
  }
  return { elements, padding: total - elements.length, matchesLayouts };
}

export async function main(world: World, jobs: readonly StrategyJob[]): Promise<StrategyResult[]> {
  enableProdMode(); // no advice to install another backend
  await setBackend("cpu");
  return jobs.map((job) => run(world, job));
}
