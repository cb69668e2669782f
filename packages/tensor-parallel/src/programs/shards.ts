// One rank of the shard_params test: its shards of some parameters, the full parameters gathered from them, and
// gradients completed over ranks.

import "@tensorflow/tfjs-backend-cpu";
import { enableProdMode, fill, memory, setBackend, type Tensor } from "@tensorflow/tfjs-core";
import type { World } from "@tessera/collectives";
import {
  disposeTree,
  leafAt,
  leaves,
  mapTensors,
  materialize,
  matrix,
  vector,
  vocabularyPartition,
  type ParamSpec,
  type Tree,
} from "@tessera/params";
import { shardParams, tensorParallel, tensorAxis, unshardParams } from "../index.js";

type Params = Readonly<Record<"columns" | "keys" | "table" | "inner" | "gain", Tensor>>;

/** A parameter of a tensor-parallel region. */
const inRegion = (leaf: ParamSpec): ParamSpec => ({ ...leaf, isTensorParallel: true });

const spec: Readonly<Record<keyof Params, ParamSpec>> = {
  columns: inRegion(matrix([3, 8], { dim: 1, units: 4, unitName: "heads", rule: "even" }, 1)),
  keys: inRegion(matrix([2, 6], { dim: 1, units: 2, unitName: "KV heads", rule: "replicated" }, 1)),
  table: inRegion(matrix([11, 2], vocabularyPartition(11), 1)),
  inner: inRegion(vector([5], null, 1)),
  gain: vector([5], null, 1),
};

type ByPath = Readonly<Record<string, readonly number[]>>;

export interface ShardResult {
  readonly full: ByPath;
  /** The shapes of this rank's shards. */
  readonly shapes: ByPath;
  /** Gathered from the shards. */
  readonly gathered: ByPath;
  /** Completed gradients, of local ones that are 1 on rank 0, 10 on rank 1, and so on. */
  readonly completed: ByPath;
  /** Completed gradients that need no communication, all 3. */
  readonly untouched: readonly number[];
  /** The weight of each parameter in a sum over ranks: 1 / replicas. */
  readonly weights: Readonly<Record<string, number>>;
  readonly leaked: number;
}

const valuesOf = (tree: Params): ByPath =>
  Object.fromEntries(leaves<Tensor>(tree).map(([path, x]) => [path, [...x.dataSync()]]));

export async function main(world: World): Promise<ShardResult> {
  enableProdMode(); // no advice to install another backend
  await setBackend("cpu");
  const before = memory().numTensors;
  const parallel = tensorParallel(world.all);
  const axis = tensorAxis<Params>(spec, parallel, world.all);
  const params = materialize<Params>(spec, 5);
  const full = valuesOf(params);
  const local = shardParams(params, spec, parallel.weightShard);
  const gathered = unshardParams(local, spec, world.all);
  const completed: Tree = axis.completeGradients(
    mapTensors(local, (leaf) => fill(leaf.shape, 10 ** world.rank)),
  );
  const { gain } = spec;
  const unshardedAxis = tensorAxis<Pick<Params, "gain">>({ gain }, parallel, world.all);
  const untouched: Tree = unshardedAxis.completeGradients({ gain: fill([5], 3) });
  const result = {
    full,
    shapes: Object.fromEntries(leaves<Tensor>(local).map(([path, { shape }]) => [path, shape])),
    gathered: valuesOf(gathered),
    completed: valuesOf(completed as Params),
    untouched: [...leafAt<Tensor>(untouched, "gain")!.dataSync()],
    weights: Object.fromEntries(
      leaves<Tensor>(local).map(([path]) => [path, 1 / axis.replica(path).count]),
    ),
  };
  for (const tree of [local, gathered, completed, untouched]) disposeTree(tree);
  return { ...result, leaked: memory().numTensors - before };
}
