// The most memory of a rank at 30M parameters: measured over a step, and what formulas say of it.

import { join } from "node:path";
import { peakBytes, rankMemory } from "@tessera/data-parallel";
import { activationBytes, gpt, gptConfig } from "@tessera/gpt";
import { launchRanks } from "@tessera/testing";
import type { Job, Layout } from "./layouts.js";
import { golden } from "./run_layouts.js";

const RANK = join(__dirname, "../../dist/programs/memory.js");

const sizes = {
  layerCount: 6,
  hiddenSize: 384,
  headCount: 6,
  kvHeadCount: 6,
  ffnHiddenSize: 1536,
  vocabularySize: 50304,
  maxPositions: 64,
};
/** Adapters of 1% of the parameters, or none. */
const lora = {
  ...{ rank: 8, alpha: 8, rankStabilized: false, dropout: 0 },
  targets: ["query", "key", "value", "output", "up", "down"],
} as const;
const changesOf = (isAdapted: boolean) => (isAdapted ? { ...sizes, lora } : sizes);
const micro = { rows: 8, time: 32, bytes: 4 } as const;
const ACCUMULATION = 2;

/** ZeRO stages. */
export const stages = [0, 1, 2, 3] as const;

/** Weights, gradients, moments and activations, in bytes. */
export function computePeak(
  stage: (typeof stages)[number],
  ranks: number,
  isAdapted = false,
): number {
  const config = gptConfig(changesOf(isAdapted));
  const kinds = rankMemory(gpt(config).spec, {
    ...{ stage, ranks, slots: 2 },
    accumulation: ACCUMULATION,
  });
  return peakBytes(kinds, activationBytes(config, micro), ACCUMULATION);
}

/** The most bytes that tensors took in a step of each stage, by rank. Ranks are processes, as their messages count too. */
export function measurePeaks(ranks: number, isAdapted = false): number[][] {
  const rows = micro.rows * ranks * ACCUMULATION;
  const layouts = stages.map((stage): Layout => ({
    ...{ stage, accumulation: ACCUMULATION, rows, bucketBytes: 2 ** 20 },
    ...{ dropout: 0, steps: 1, changes: changesOf(isAdapted), lossesOnly: true },
  }));
  const job: Job = { ...golden, layouts };
  const { stdout, stderr } = launchRanks(ranks, [RANK, JSON.stringify(job)]);
  const peaks = [...stdout.matchAll(/peaks (.*)/g)].map(([, bytes]) => bytes!.split(" "));
  if (peaks.length !== ranks) throw new Error(`${peaks.length} of ${ranks} ranks: ${stderr}`);
  return peaks.map((ofRank) => ofRank.map(Number));
}
