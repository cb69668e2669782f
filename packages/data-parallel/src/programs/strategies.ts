// A rank of the sharings' test: what it holds, what it owns, and what becomes of gradients, under each
// strategy. All values are whole numbers, so that sums are exact in any order.

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
import { evalContext, type Layer } from "@tessera/layers";
import { identityWrapper } from "@tessera/layers/parallel";
import {
  accumulateGradient,
  disposeTree,
  leafAt,
  leaves,
  mapTree,
  type Gradient,
  type ShardLayout,
  type ParamSpec,
  type GradientSink,
  type Tree,
  type TreeOf,
} from "@tessera/params";
import type { ShardIndex } from "@tessera/mesh";
import { fullyShard, replicate, fsdpWrapper, type DataParallel } from "../index.js";

export interface SharingJob {
  readonly stage: 0 | 1 | 2 | 3;
  readonly bucketBytes: number;
  readonly part: ShardIndex;
  readonly spec: TreeOf<ParamSpec>;
  /** What the ranks hold of each parameter: its shape. */
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly micros: number;
}

type ByPath = Readonly<Record<string, readonly number[]>>;

export interface Shared {
  readonly whole: ByPath;
  readonly gathered: ByPath;
  readonly released: ByPath;
  /** The elements of parameters that this rank owns, as its holdings say: "path index" to value. */
  readonly owned: readonly (readonly [element: string, value: number])[];
  /** How many elements of the tensors that it owns hold none. */
  readonly padding: number;
  /** Whether what it owns is shaped as its holdings say. */
  readonly isShaped: boolean;
  readonly copy: ShardIndex;
  readonly sharesGradients: boolean;
  readonly sums: ByPath;
  /** The sum of all squares, and the same where each leaf counts a quarter. */
  readonly squares: readonly number[];
  /** Reductions of gradients in the step. */
  readonly reductions: number;
  readonly leaked: number;
}

/** Element `at` of the parameter `path` at the start; and its gradient on a rank, in a micro-batch. */
export const weightOf = (path: string, at: number): number => 100 * path.length + at;
export const gradientOf = (path: string, at: number, rank: number, micro: number): number =>
  (rank + 1) * path.length + 10 * micro - at;

const valuesOf = (tree: Tree): ByPath =>
  Object.fromEntries(leaves<Tensor>(tree).map(([path, x]) => [path, [...x.dataSync()]]));

const reductionsOf = ({ calls }: Traffic): number => calls.allReduce + calls.reduceScatter;

/** A gradient that is computed when it is wanted. */
const late = (gradient: Tensor): Gradient => ({
  compute: () => gradient,
  accumulateInto: (sum) => accumulateGradient(sum, gradient),
});

/** Gives each parameter its gradients, the last one's first: at once or late, and in two where it has two. */
function give(
  sink: GradientSink<Tree>,
  { spec, shapes }: SharingJob,
  rank: number,
  micro: number,
): void {
  for (const [path, { gradientCount = 1 }] of leaves<ParamSpec>(spec).toReversed()) {
    const into = leafAt<(gradient: Gradient) => void>(sink, path)!;
    const shape = shapes[path]!;
    const size = shape.reduce((a, b) => a * b, 1);
    for (let use = 0; use < gradientCount; use += 1) {
      const values = Float32Array.from({ length: size }, (_, at) =>
        use === 0 ? gradientOf(path, at, rank, micro) - (gradientCount - 1) : 1,
      );
      const gradient = tensor(values, [...shape]);
      into(micro === 0 ? gradient : late(gradient));
    }
  }
}

/** A layer whose backward gives those gradients, whatever it computes with. */
const giver = (job: SharingJob, rank: number, micro: number): Layer<Tree, Tree> => ({
  spec: job.spec,
  forward: (_params, x) => [x.clone(), {}],
  backward(_params, _saved, dy, sink) {
    give(sink, job, rank, micro);
    return dy.clone();
  },
});

function run({ all: group }: World, job: SharingJob): Shared {
  const { stage, bucketBytes, part: shard, spec, shapes, micros: microbatches } = job;
  const dataParallel: DataParallel<Tree> =
    stage === 3
      ? fullyShard<Tree>(spec, group, shard)
      : replicate<Tree>(spec, group, { stage, bucketBytes, shard });
  const before = memory().numTensors;
  const made = mapTree(spec, (_leaf: ParamSpec, path): Tensor => {
    const size = shapes[path]!.reduce((a, b) => a * b, 1);
    return tensor(
      Float32Array.from({ length: size }, (_, at) => weightOf(path, at)),
      [...shapes[path]!],
    );
  });
  let held = dataParallel.shardParams(made);
  const whole = dataParallel.gatherParams(held);

  const { sink, finish } = dataParallel.createReducer(held);
  const reductions = reductionsOf(group.traffic);
  const around = stage === 3 ? fsdpWrapper(group, shard) : identityWrapper;
  const dy = ones([1]);
  for (let micro = 0; micro < microbatches; micro += 1) {
    const layer = around.layer(giver(job, group.rank, micro));
    layer.backward(held, {}, dy, sink(micro === microbatches - 1), evalContext).dispose();
  }
  dy.dispose();
  const gradients = finish();
  const sent = reductionsOf(group.traffic) - reductions;
  const sums = dataParallel.gatherFromOptimizer(gradients);
  const squares = [1, 0.25].map((counted) => dataParallel.sumOfSquares(gradients, () => counted));

  const owned = dataParallel.toOptimizer(held);
  const gathered = dataParallel.gatherFromOptimizer(owned);
  const said = ownedElements(owned, dataParallel.layouts);
  held = dataParallel.fromOptimizer(owned);
  const released = dataParallel.gatherParams(held);
  const result = {
    whole: valuesOf(whole),
    gathered: valuesOf(gathered),
    released: valuesOf(released),
    sums: valuesOf(sums),
    ...said,
    copy: dataParallel.replica(""),
    sharesGradients: dataParallel.shardsGradients,
    squares: squares.map((x) => x.dataSync()[0]!),
    reductions: sent,
  };
  for (const tree of [whole, gathered, released, sums, gradients, held, ...squares])
    disposeTree(tree);
  return { ...result, leaked: memory().numTensors - before };
}

/** What `layouts` say of the tensors of `owned`. */
function ownedElements(owned: Tree, layouts: TreeOf<ShardLayout>) {
  const found: (readonly [string, number])[] = [];
  let all = 0;
  let isShaped = true;
  const holdingAt = new Map(leaves<ShardLayout>(layouts));
  for (const [name, x] of leaves<Tensor>(owned)) {
    const { shape, ranges } = holdingAt.get(name)!;
    const values = x.dataSync();
    all += x.size;
    isShaped &&= shape.join() === x.shape.join();
    for (const { path, sliceOffset, size, tensorOffset } of ranges) {
      for (let i = 0; i < size; i += 1)
        found.push([`${path} ${sliceOffset + i}`, values[tensorOffset + i]!]);
    }
  }
  return { owned: found, padding: all - found.length, isShaped };
}

export async function main(world: World, jobs: readonly SharingJob[]): Promise<Shared[]> {
  enableProdMode(); // no advice to install another backend
  await setBackend("cpu");
  return jobs.map((job) => run(world, job));
}
