// Shares of parameters on real ranks. That models train alike is tested where engines are chosen.

import "@tensorflow/tfjs-backend-cpu";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "@jest/globals";
import { runThreads, singleGroup } from "@tessera/collectives";
import { noTensorParallel } from "@tessera/layers/parallel";
import { vector } from "@tessera/params";
import { UNSHARDED } from "@tessera/mesh";
import { tensorAxis } from "./index.js";
import type { Shares } from "./programs/shares.js";

const program = pathToFileURL(join(__dirname, "../dist/programs/shares.js"));
const run = (ranks: number) => runThreads<Shares>({ program, ranks });
const four = run(4);

test.each([1, 2, 4])(
  "%i ranks: shares join to the whole, and nothing is left behind",
  async (ranks) => {
    for (const { whole, joined, leaked } of await (ranks === 4 ? four : run(ranks))) {
      expect(joined).toEqual(whole);
      expect(leaked).toBe(0);
    }
  },
);

test("four ranks hold a head each, half of the key heads, and as much of the vocabulary as is left", async () => {
  const all = await four;
  expect(all.map(({ sizes }) => sizes["columns"])).toEqual(Array(4).fill([3, 2]));
  expect(all.map(({ sizes }) => sizes["keys"])).toEqual(Array(4).fill([2, 3]));
  expect(all.map(({ sizes }) => sizes["table"]![0])).toEqual([3, 3, 3, 2]);
});

test("gradients are summed over the ranks that compute parts of them, and no others", async () => {
  (await four).forEach(({ completed, untouched }, rank) => {
    const values = (path: string) => [...new Set(completed[path])];
    expect(values("columns")).toEqual([10 ** rank]); // its own on each rank
    expect(values("table")).toEqual([10 ** rank]);
    expect(values("gain")).toEqual([10 ** rank]); // as good as any other's, as all see all tokens
    expect(values("keys")).toEqual([rank < 2 ? 11 : 1100]); // of two ranks that share a key head
    expect(values("inner")).toEqual([1111]); // a part on each
    expect(untouched).toEqual(Array(5).fill(3));
  });
});

test("in a sum over ranks each parameter counts once", async () => {
  const all = await four;
  const sum = (path: string) => all.reduce((total, { counted }) => total + counted[path]!, 0);
  expect({ keys: sum("keys"), inner: sum("inner"), gain: sum("gain") }).toEqual({
    keys: 2, // two halves, each on two ranks
    inner: 1,
    gain: 1,
  });
});

test("one rank that holds everything is the first of one, and changes nothing", () => {
  const axis = tensorAxis({ gain: vector([], null, 1) }, noTensorParallel, singleGroup());
  expect(axis.replica("gain")).toEqual(UNSHARDED);
  const gradients = {};
  expect(axis.completeGradients(gradients)).toBe(gradients);
});

test("a parameter that ranks cannot share is refused by name", async () => {
  await expect(run(3)).rejects.toThrow(
    /columns: 4 heads cannot be sharded over 3 tensor-parallel ranks; use a degree that divides 4/,
  );
});
