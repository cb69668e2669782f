// Shards of parameters and the tensor axis on real ranks. apps/gpt-ddp/src/matrix.test.ts trains models.

import "@tensorflow/tfjs-backend-cpu";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "@jest/globals";
import { runThreads, singleGroup } from "@tessera/collectives";
import { noTensorParallel } from "@tessera/layers/parallel";
import { vector } from "@tessera/params";
import { UNSHARDED } from "@tessera/mesh";
import { tensorAxis } from "./index.js";
import type { ShardResult } from "./programs/shards.js";

const program = pathToFileURL(join(__dirname, "../dist/programs/shards.js"));
const run = (ranks: number) => runThreads<ShardResult>({ program, ranks });
const four = run(4);

test.each([1, 2, 4])("%i ranks: shards gather to the full parameters", async (ranks) => {
  for (const { full, gathered, leaked } of await (ranks === 4 ? four : run(ranks))) {
    expect(gathered).toEqual(full);
    expect(leaked).toBe(0);
  }
});

test("four ranks have a head each, a replicated KV head, and an uneven shard of the vocabulary", async () => {
  const all = await four;
  expect(all.map(({ shapes }) => shapes["columns"])).toEqual(Array(4).fill([3, 2]));
  expect(all.map(({ shapes }) => shapes["keys"])).toEqual(Array(4).fill([2, 3]));
  expect(all.map(({ shapes }) => shapes["table"]![0])).toEqual([3, 3, 3, 2]);
});

test("gradients are summed over the ranks that compute terms of them, and no others", async () => {
  (await four).forEach(({ completed, untouched }, rank) => {
    const values = (path: string) => [...new Set(completed[path])];
    expect(values("columns")).toEqual([10 ** rank]); // sharded
    expect(values("table")).toEqual([10 ** rank]);
    expect(values("gain")).toEqual([10 ** rank]); // replicated, and equal on all ranks
    expect(values("keys")).toEqual([rank < 2 ? 11 : 1100]); // over the two replicas of a KV head
    expect(values("inner")).toEqual([1111]); // replicated in a region: a term on each rank
    expect(untouched).toEqual(Array(5).fill(3));
  });
});

test("replica counts make each parameter count once in a sum over ranks", async () => {
  const all = await four;
  const sum = (path: string) => all.reduce((total, { weights }) => total + weights[path]!, 0);
  expect({ keys: sum("keys"), inner: sum("inner"), gain: sum("gain") }).toEqual({
    keys: 2, // two shards, each on two ranks
    inner: 1,
    gain: 1,
  });
});

test("a group of one rank completes nothing", () => {
  const axis = tensorAxis({ gain: vector([], null, 1) }, noTensorParallel, singleGroup());
  expect(axis.replica("gain")).toEqual(UNSHARDED);
  const gradients = {};
  expect(axis.completeGradients(gradients)).toBe(gradients);
});

test("a parameter that cannot be sharded is refused by name", async () => {
  await expect(run(3)).rejects.toThrow(
    /columns: 4 heads cannot be sharded over 3 tensor-parallel ranks; use a degree that divides 4/,
  );
});
