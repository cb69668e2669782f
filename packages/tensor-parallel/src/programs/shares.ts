// A rank of the shares' test: what it holds of some parameters, the whole from all ranks' shares, and
// what becomes of gradients of which each rank has a part.

import "@tensorflow/tfjs-backend-cpu";
import { enableProdMode, fill, memory, setBackend, type Tensor } from "@tensorflow/tfjs-core";
import type { World } from "@tessera/collectives";
import { disposeTree, leaves, mapTensors, materialize, matrix, vector } from "@tessera/params";
import { vocabularyPartition, type ParamSpec } from "@tessera/params";
import { shardParams, tensorParallel, tensorAxis, unshardParams } from "../index.js";

type Params = Readonly<Record<"columns" | "keys" | "table" | "inner" | "gain", Tensor>>;

/** A parameter of a stretch that ranks share out, which marks it so. */
const inStretch = (leaf: ParamSpec): ParamSpec => ({ ...leaf, isTensorParallel: true });

const spec: Readonly<Record<keyof Params, ParamSpec>> = {
  columns: inStretch(matrix([3, 8], { dim: 1, units: 4, unitName: "heads", rule: "even" }, 1)),
  keys: inStretch(
    matrix([2, 6], { dim: 1, units: 2, unitName: "key heads", rule: "replicated" }, 1),
  ),
  table: inStretch(matrix([11, 2], vocabularyPartition(11), 1)),
  inner: inStretch(vector([5], null, 1)),
  gain: vector([5], null, 1),
};

type ByPath = Readonly<Record<string, readonly number[]>>;

export interface Shares {
  readonly whole: ByPath;
  readonly sizes: ByPath;
  /** Shares joined again. */
  readonly joined: ByPath;
  /** Of gradients that are 1 on the first rank, 10 on the next, and so on. */
  readonly completed: ByPath;
  /** Of gradients of threes that no rank shares with another. */
  readonly untouched: readonly number[];
  /** What this rank counts each as in a sum over all ranks. */
  readonly counted: Readonly<Record<string, number>>;
  readonly leaked: number;
}

const valuesOf = (tree: Params): ByPath =>
  Object.fromEntries(leaves<Tensor>(tree).map(([path, x]) => [path, [...x.dataSync()]]));

export async function main(world: World): Promise<Shares> {
  enableProdMode(); // no advice to install another backend
  await setBackend("cpu");
  const before = memory().numTensors;
  const parallel = tensorParallel(world.all);
  const axis = tensorAxis<Params>(spec, parallel, world.all);
  const whole = materialize<Params>(spec, 5);
  const expected = valuesOf(whole);
  const share = shardParams(whole, spec, parallel.weightShard);
  const joined = unshardParams(share, spec, world.all);
  const completed = axis.completeGradients(
    mapTensors(share, (leaf) => fill(leaf.shape, 10 ** world.rank)),
  ) as Params;
  const { gain } = spec;
  const none = tensorAxis<Pick<Params, "gain">>({ gain }, parallel, world.all);
  const untouched = none.completeGradients({ gain: fill([5], 3) }) as Pick<Params, "gain">;
  const said = {
    whole: expected,
    sizes: Object.fromEntries(leaves<Tensor>(share).map(([path, { shape }]) => [path, shape])),
    joined: valuesOf(joined),
    completed: valuesOf(completed),
    untouched: [...untouched.gain.dataSync()],
    counted: Object.fromEntries(
      leaves<Tensor>(share).map(([path]) => [path, 1 / axis.replica(path).count]),
    ),
  };
  for (const tree of [share, joined, completed, untouched]) disposeTree(tree);
  return { ...said, leaked: memory().numTensors - before };
}
