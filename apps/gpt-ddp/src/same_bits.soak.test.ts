// Fifty steps to the same bits: every ZeRO stage, accumulation, number of stages and schedule, on threads and over MPI.

import { describe, expect, test } from "@jest/globals";
import type { Layout, Trained } from "./programs/layouts.js";
import { launchLayouts, runLayouts } from "./programs/run_layouts.js";
import { bitsOf, layoutOn } from "./programs/same_bits.js";

const STEPS = 50;

const stages = [0, 1, 2, 3] as const;
const schedules = [
  { schedule: "gpipe" },
  { schedule: "1f1b" },
  { schedule: "interleaved", chunks: 2 },
  { schedule: "zero-bubble" },
] as const;

/** Every number of pipeline stages with every schedule that it has, each in a ZeRO stage, and all of those alone. */
const choicesOf = (ranks: number): readonly Partial<Layout>[] => [
  ...stages.map((stage) => ({ stage })),
  ...[2, 4]
    .filter((pipeline) => pipeline <= ranks)
    .flatMap((pipeline) =>
      schedules
        .filter(({ schedule }) => pipeline === 2 || schedule !== "interleaved")
        .map((of, i) => ({ ...of, pipeline, stage: stages[(i + ranks / pipeline) % 4]! })),
    ),
];

const storages = ["fp32", "bf16"] as const;
const references = runLayouts(
  1,
  storages.map((storage) => layoutOn(1, { storage }, STEPS)),
);

const expectSameBits = async (layouts: readonly Layout[], [found]: Trained[][]): Promise<void> => {
  const [expected] = await references;
  layouts.forEach((layout, i) => {
    const reference = expected![storages.indexOf(layout.storage as "fp32" | "bf16")]!;
    expect({ layout, ...bitsOf(found![i]!) }).toEqual({ layout, ...bitsOf(reference) });
  });
};

const layoutsOf = (ranks: number): readonly Layout[] =>
  choicesOf(ranks).flatMap((choice) =>
    storages.map((storage) => layoutOn(ranks, { ...choice, storage }, STEPS)),
  );

describe("the bits of one rank", () => {
  test.each([1, 2, 4, 8])("%i threads", async (ranks) => {
    const layouts = layoutsOf(ranks);
    await expectSameBits(layouts, await runLayouts(ranks, layouts));
  });

  test.each([2, 4])("%i ranks of MPI", async (ranks) => {
    const layouts = layoutsOf(ranks);
    await expectSameBits(layouts, launchLayouts(ranks, layouts, "native"));
  });
});
