// Strategies on a group of one rank; apps/gpt-ddp/src/matrix.test.ts trains on several.

import "@tensorflow/tfjs-backend-cpu";
import { beforeAll, expect, test } from "@jest/globals";
import { enableProdMode, memory, ones, setBackend, type Tensor } from "@tensorflow/tfjs-core";
import { runThreads, singleGroup } from "@tessera/collectives";
import {
  disposeTree,
  leaves,
  materialize,
  matrix,
  type ParamSpec,
  type Tree,
} from "@tessera/params";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { fullyShard, planBuckets, replicate, type DataParallel } from "./index.js";
import { createOrderedReducer } from "./ordered_reducer.js";

type Params = { readonly a: Tensor; readonly b: Tensor };
const spec: Readonly<Record<keyof Params, ParamSpec>> = {
  a: matrix([3, 2], null, 1),
  b: matrix([5], null, 1),
};

beforeAll(async () => {
  enableProdMode(); // no advice to install another backend
  await setBackend("cpu");
});

const strategies: [string, () => DataParallel<Params>][] = [
  ...([0, 1, 2] as const).map((stage): [string, () => DataParallel<Params>] => [
    `ZeRO ${stage}`,
    () => replicate<Params>(spec, singleGroup(), { stage, bucketBytes: 1000 }),
  ]),
  ["ZeRO 3", () => fullyShard<Params>(spec, singleGroup())],
];

const valuesOf = (tree: Tree) => leaves<Tensor>(tree).map(([, x]) => [...x.shape, ...x.dataSync()]);

test.each(strategies)(
  "%s: full to local to optimizer shards and back preserves values without leaks",
  (_name, make) => {
    const dataParallel = make();
    const before = memory().numTensors;
    const full = materialize<Params>(spec, 1);
    const expected = valuesOf(full);
    const local = dataParallel.shardParams(full);
    const fullAgain = dataParallel.gatherParams(local);
    expect(valuesOf(fullAgain)).toEqual(expected);
    const shards = dataParallel.toOptimizer(local);
    const gathered = dataParallel.gatherFromOptimizer(shards);
    expect(valuesOf(gathered)).toEqual(expected);
    const localAgain = dataParallel.fromOptimizer(shards);
    for (const tree of [fullAgain, gathered, localAgain]) disposeTree(tree);
    expect(memory().numTensors).toBe(before);
  },
);

test.each(strategies)("%s: a parameter without a gradient counts as zeros", (_name, make) => {
  const dataParallel = make();
  const local = dataParallel.shardParams(materialize<Params>(spec, 1));
  for (let step = 0; step < 2; step += 1) {
    const { sink, finish } = dataParallel.createReducer(local);
    sink(true).a(ones([3, 2]));
    const gathered = dataParallel.gatherFromOptimizer(finish());
    expect(valuesOf(gathered).map((values) => values.slice(-1))).toEqual([[1], [0]]);
  }
});

test("a gradient after its bucket was reduced is an error that names it", () => {
  const reducer = createOrderedReducer(planBuckets(spec, { ranks: 1, bytes: 0 }), singleGroup());
  for (let microbatch = 0; microbatch < 2; microbatch += 1) {
    reducer.begin();
    reducer.receive("b", ones([5]));
  }
  expect(() => reducer.receive("b", ones([5]))).toThrow(
    /^b: received a gradient after its bucket was reduced/,
  );
});

test("findDivergence names the first weight that differs between ranks", async () => {
  const program = pathToFileURL(join(__dirname, "../dist/programs/divergence.js"));
  const paths = await runThreads<(string | null)[]>({ program, ranks: 3 });
  expect(paths).toEqual([
    [null, "layer.bias"],
    [null, "layer.bias"],
    [null, "layer.bias"],
  ]);
});
