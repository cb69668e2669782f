// Starts the ranks of the layouts' tests.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { deserialize } from "node:v8";
import { runThreads } from "@tessera/collectives";
import { launchRanks } from "@tessera/testing";
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

/** Ranks that compile take 40 s alone, and ten times as long beside the ranks of other tests. */
const LIMIT_MS = 15 * 60_000;

/** What each of `ranks` ranks, as processes of MPI, says of each layout. */
export function launchLayouts(
  ranks: number,
  layouts: readonly Layout[],
  backend: NonNullable<Job["backend"]>,
): Trained[][] {
  const job: Job = { ...golden, layouts, backend };
  const at = mkdtempSync(join(tmpdir(), "tessera-layouts-"));
  const program = join(APP, "dist/programs/launched_layouts.js");
  try {
    writeFileSync(join(at, "job.json"), JSON.stringify(job));
    // Each process compiles each program: for so few steps, compiling well takes longer than computing.
    const env = { ...process.env, XLA_FLAGS: "--xla_backend_optimization_level=0" };
    const { status, stderr } = launchRanks(ranks, [program, at], { env, timeout: LIMIT_MS });
    if (status !== 0) throw new Error(stderr);
    return Array.from(
      { length: ranks },
      (_, rank) => deserialize(readFileSync(join(at, String(rank)))) as Trained[],
    );
  } finally {
    rmSync(at, { recursive: true });
  }
}

/** The same on TensorFlow. */
export const launchOnTensorFlow = (ranks: number, layouts: readonly Layout[]): Trained[][] =>
  launchLayouts(ranks, layouts, "tensorflow");

/** The same of each layout and each checkpoint to go on from. */
export function runResumes(
  ranks: number,
  job: Omit<ResumeJob, keyof typeof golden>,
): Promise<Continued[][]> {
  const data: ResumeJob = { ...golden, ...job };
  return runThreads<Continued[]>({ program: program("resume"), ranks, data });
}
