// Starts the ranks of the layouts' tests.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { runThreads } from "@tessera/collectives";
import type { Job, Layout, Trained } from "./layouts.js";
import type { Continued, ResumeJob } from "./resume.js";

const APP = join(__dirname, "../..");
const folder = join(APP, "../../fixtures/golden");
const { tokens, runs } = JSON.parse(readFileSync(join(folder, "expected.json"), "utf8")) as {
  tokens: number[][][];
  runs: { losses: number[] }[];
};

const program = (name: string): URL => pathToFileURL(join(APP, `dist/programs/${name}.js`));

/** The golden model, and its tokens. */
export const golden = { folder, tokens: tokens.flat() };

/** Losses of the golden run with AdamW, from PyTorch in float64. */
export const goldenLosses: readonly number[] = runs[0]!.losses;

/** What each of `ranks` ranks, as threads, says of each layout. */
export function runLayouts(ranks: number, layouts: readonly Layout[]): Promise<Trained[][]> {
  const job: Job = { ...golden, layouts };
  return runThreads<Trained[]>({ program: program("layouts"), ranks, data: job });
}

/** The same of each layout and each checkpoint to go on from. */
export function runResumes(
  ranks: number,
  job: Omit<ResumeJob, keyof typeof golden>,
): Promise<Continued[][]> {
  const data: ResumeJob = { ...golden, ...job };
  return runThreads<Continued[]>({ program: program("resume"), ranks, data });
}
