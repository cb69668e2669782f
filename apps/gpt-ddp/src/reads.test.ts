// A training step reads nothing back: what it computes stays in the backend's memory until figures are logged
// or a checkpoint is saved, so that a device need not be waited for.

import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { isAvailable as isMpiAvailable } from "@tessera/collectives-mpi";
import { isAvailable as isNativeAvailable } from "@tessera/kernels-native";
import { launchRanks } from "@tessera/testing";
import type { Job, Layout } from "./programs/layouts.js";
import { golden } from "./programs/run_layouts.js";

const RANK = join(__dirname, "../dist/programs/reads.js");

const step = { stage: 0, accumulation: 2, dropout: 0.1, steps: 0, bucketBytes: 2 ** 16 } as const;

const alone: readonly Partial<Layout>[] = [
  {},
  { storage: "bf16" },
  { storage: "bf16", masked: true, recompute: "attention" },
];
const inPairs: readonly Partial<Layout>[] = [
  {},
  { storage: "bf16" },
  { stage: 1 },
  { stage: 2, storage: "bf16" },
  { stage: 3 },
  { tensor: 2 },
  { tensor: 2, sequence: true, storage: "bf16" },
  { pipeline: 2 },
  { pipeline: 2, schedule: "zero-bubble", storage: "bf16" },
];
const inFours: readonly Partial<Layout>[] = [
  { tensor: 2, pipeline: 2 },
  { tensor: 2, stage: 1 },
];

/** Of each rank, the reads of some steps of each layout. */
function countReads(ranks: number, changes: readonly Partial<Layout>[]): number[][][] {
  const job: Job = { ...golden, layouts: changes.map((change) => ({ ...step, ...change })) };
  const { stdout, stderr } = launchRanks(ranks, [RANK, JSON.stringify(job)]);
  expect(stderr).toBe("");
  return [...stdout.matchAll(/reads (.*)/g)].map(([, text]) => JSON.parse(text!) as number[][]);
}

(isMpiAvailable() && isNativeAvailable() ? describe : describe.skip)("no step reads", () => {
  test.each([
    [1, alone],
    [2, inPairs],
    [4, inFours],
  ] as const)("%i ranks", (ranks, changes) => {
    const none = changes.map(() => [0, 0, 0]);
    expect(countReads(ranks, changes)).toEqual(Array.from({ length: ranks }, () => none));
  });
});
