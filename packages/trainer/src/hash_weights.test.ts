// The hash of weights is the same on all ranks, under every layout; and another for other weights.

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "@jest/globals";
import { runThreads } from "@tessera/collectives";
import type { ParallelConfig } from "./index.js";

const program = pathToFileURL(join(__dirname, "../dist/programs/hash_layouts.js"));

const hashesOf = (ranks: number, parallel: ParallelConfig): Promise<[number, number][]> =>
  runThreads<[number, number]>({ program, ranks, data: parallel });

test.each<[ranks: number, parallel: ParallelConfig]>([
  [2, { tensor: 2 }],
  [2, { pipeline: 2 }],
  [3, {}],
  [3, { zeroStage: 1 }],
  [2, { zeroStage: 2 }],
  [3, { zeroStage: 3 }],
  [8, { tensor: 2, pipeline: 2, zeroStage: 1 }],
  [4, { tensor: 2, zeroStage: 3, sequence: true }],
])("%d ranks, %j", async (ranks, parallel) => {
  const [[alone, changedAlone]] = (await hashesOf(1, {})) as [[number, number]];
  expect(Number.isSafeInteger(alone)).toBe(true);
  expect(changedAlone).not.toBe(alone);
  for (const hashes of await hashesOf(ranks, parallel)) {
    expect(hashes).toEqual([alone, changedAlone]);
  }
});
