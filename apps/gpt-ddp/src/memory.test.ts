// The memory of a rank, measured over a step at 30M parameters, follows the ZeRO stage.

import { join } from "node:path";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { isAvailable as isMpiAvailable } from "@tessera/collectives-mpi";
import { peakBytes, rankMemory } from "@tessera/data-parallel";
import { activationBytes, gpt, gptConfig } from "@tessera/gpt";
import { isAvailable as isNativeAvailable } from "@tessera/kernels-native";
import { launchRanks } from "@tessera/testing";
import type { Job, Layout } from "./programs/layouts.js";
import { golden } from "./programs/run_layouts.js";

const RANK = join(__dirname, "../dist/programs/memory.js");

const sizes = {
  layerCount: 6,
  hiddenSize: 384,
  headCount: 6,
  kvHeadCount: 6,
  ffnHiddenSize: 1536,
  vocabularySize: 50304,
  maxPositions: 64,
};
const config = gptConfig(sizes);
const micro = { rows: 8, time: 32, bytes: 4 } as const;
const ACCUMULATION = 2;

const stages = [0, 1, 2, 3] as const;

/**
 * The most bytes that tensors of each rank took in a step of each stage. Ranks are processes, as their messages
 * count too.
 */
function measurePeaks(ranks: number): number[][] {
  const rows = micro.rows * ranks * ACCUMULATION;
  const layouts = stages.map((stage): Layout => ({
    ...{ stage, accumulation: ACCUMULATION, rows, bucketBytes: 2 ** 20 },
    ...{ dropout: 0, steps: 1, changes: sizes, lossesOnly: true },
  }));
  const job: Job = { ...golden, layouts };
  const { stdout, stderr } = launchRanks(ranks, [RANK, JSON.stringify(job)]);
  const peaks = [...stdout.matchAll(/peaks (.*)/g)].map(([, bytes]) => bytes!.split(" "));
  expect([peaks.length, stderr]).toEqual([ranks, ""]);
  return peaks.map((ofRank) => ofRank.map(Number));
}

(isMpiAvailable() && isNativeAvailable() ? describe : describe.skip).each([1, 2, 4])(
  "%i ranks: within a tenth of weights, gradients, moments and activations",
  (ranks) => {
    let peaks: number[][];
    beforeAll(() => {
      peaks = measurePeaks(ranks);
    });

    test.each(stages)("ZeRO %i", (stage) => {
      const kinds = rankMemory(gpt(config).spec, { stage, ranks, slots: 2 });
      const expected = peakBytes(kinds, activationBytes(config, micro), ACCUMULATION);
      for (const ofRank of peaks) {
        expect(ofRank[stage]! / expected).toBeGreaterThan(0.9);
        expect(ofRank[stage]! / expected).toBeLessThan(1.1);
      }
    });
  },
);
