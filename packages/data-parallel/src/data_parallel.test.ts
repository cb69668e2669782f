// What a group of one can show; apps/gpt-ddp/src/matrix.test.ts trains on groups of several.

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
import { fullyShard, replicate, type DataParallel } from "./index.js";

type Params = { readonly a: Tensor; readonly b: Tensor };
const spec: Readonly<Record<keyof Params, ParamSpec>> = {
  a: matrix([3, 2], null, 1),
  b: matrix([5], null, 1),
};

beforeAll(async () => {
  enableProdMode(); // no advice to install another backend
  await setBackend("cpu");
});

const sharings: [string, () => DataParallel<Params>][] = [
  ...([0, 1, 2] as const).map((stage): [string, () => DataParallel<Params>] => [
    `ZeRO ${stage}`,
    () => replicate<Params>(spec, singleGroup(), { stage, bucketBytes: 1000 }),
  ]),
  ["ZeRO 3", () => fullyShard<Params>(spec, singleGroup())],
];

const valuesOf = (tree: Tree) => leaves<Tensor>(tree).map(([, x]) => [...x.shape, ...x.dataSync()]);

test.each(sharings)(
  "%s: whole, held, owned and back loses nothing and leaks nothing",
  (_name, make) => {
    const dataParallel = make();
    const before = memory().numTensors;
    const whole = materialize<Params>(spec, 1);
    const expected = valuesOf(whole);
    const held = dataParallel.shardParams(whole);
    const again = dataParallel.gatherParams(held);
    expect(valuesOf(again)).toEqual(expected);
    const owned = dataParallel.toOptimizer(held);
    const gathered = dataParallel.gatherFromOptimizer(owned);
    expect(valuesOf(gathered)).toEqual(expected);
    const released = dataParallel.fromOptimizer(owned);
    for (const tree of [again, gathered, released]) disposeTree(tree);
    expect(memory().numTensors).toBe(before);
  },
);

test.each(sharings)("%s: a parameter without a gradient counts as zeros", (_name, make) => {
  const dataParallel = make();
  const held = dataParallel.shardParams(materialize<Params>(spec, 1));
  for (let step = 0; step < 2; step += 1) {
    const { sink, finish } = dataParallel.createReducer(held);
    sink(true).a(ones([3, 2]));
    const gathered = dataParallel.gatherFromOptimizer(finish());
    expect(valuesOf(gathered).map((values) => values.slice(-1))).toEqual([[1], [0]]);
  }
});

test("a gradient that comes after its sum was sent is refused by name", () => {
  const dataParallel = replicate<Params>(spec, singleGroup(), { stage: 1 });
  const held = dataParallel.shardParams(materialize<Params>(spec, 1));
  const first = dataParallel.createReducer(held);
  first.sink(true).b(ones([5]));
  first.finish();
  const sink = dataParallel.createReducer(held).sink(true);
  sink.b(ones([5]));
  expect(() => sink.b(ones([5]))).toThrow(/^b: a gradient came after its sum was sent/);
});

test("ranks that differ in one weight are found, by its name", async () => {
  const program = pathToFileURL(join(__dirname, "../dist/programs/differ.js"));
  const found = await runThreads<(string | null)[]>({ program, ranks: 3 });
  expect(found).toEqual([
    [null, "layer.bias"],
    [null, "layer.bias"],
    [null, "layer.bias"],
  ]);
});
