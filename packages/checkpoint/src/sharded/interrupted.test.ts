// Saves that end at each change of the folder: before it, and in its middle. Whatever the moment, the last complete
// checkpoint loads, all visible ones are complete, and the next job removes the rest.

import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { scratchFolder } from "@tessera/testing";
import { failAt, Killed } from "../programs/failing_files.js";
import { loadStep } from "../programs/load_step.js";
import { metadataOf, sourcesOf } from "../programs/sample_checkpoints.js";
import { latestCheckpoint, locate, prune, recover } from "./folder.js";
import { lockFolder } from "./folder_lock.js";
import { saveShard, type JobFolder } from "./save_shard.js";

const ROWS = 40;
const at = scratchFolder("interrupted");

interface Job {
  readonly ranks: number;
  /** The rank that is killed; the others write all that is theirs, or wait in vain. */
  readonly killed: number;
  readonly keep: number;
  /** Saved before, in this order; the last of `steps` is the one that is interrupted. */
  readonly steps: readonly number[];
}

const jobs: Readonly<Record<string, Job>> = {
  "the first checkpoint": { ranks: 1, killed: 0, keep: 0, steps: [1] },
  "another one, for which an older one goes": { ranks: 1, killed: 0, keep: 1, steps: [1, 2] },
  "one in the place of another of its step": { ranks: 1, killed: 0, keep: 2, steps: [1, 2, 2] },
  "the first of two ranks": { ranks: 2, killed: 0, keep: 1, steps: [1, 2] },
  "the second of two ranks": { ranks: 2, killed: 1, keep: 1, steps: [1, 2] },
};

async function save({ ranks, keep }: Job, token: string, rank: number, step: number) {
  const sources = sourcesOf(step, { rank, ranks, rows: ROWS });
  const bytes = Buffer.concat(
    sources.map(({ range, copy }) => {
      const values = new Float32Array(range.size);
      copy(values);
      return new Uint8Array(values.buffer);
    }),
  );
  const ranges = sources.map(({ name, range }) => ({ name, range }));
  const job: JobFolder = { folder: folderOf(), token, rank, ranks, timeoutSeconds: 0.01 };
  const path = await saveShard(job, { metadata: metadataOf(step), ranges, bytes }, () => undefined);
  if (path !== null) await prune(path, keep);
}

const folderOf = (): string => at("run");

/** Saves a step on all ranks; the last of them completes it. */
async function saveAll(job: Job, token: string, step: number): Promise<void> {
  for (let rank = job.ranks - 1; rank >= 0; rank -= 1) await save(job, token, rank, step);
}

/** Runs a job that ends at change `count`. Returns the step of its last whole checkpoint before that one. */
async function interrupt(job: Job, count: number, torn: boolean) {
  rmSync(folderOf(), { recursive: true, force: true });
  mkdirSync(folderOf());
  const lock = await lockFolder(folderOf(), () => undefined);
  const before = job.steps.slice(0, -1);
  const step = job.steps.at(-1)!;
  for (const one of before) await saveAll(job, lock.token, one);
  const others = [1, 0].filter((rank) => rank < job.ranks && rank !== job.killed);
  if (job.killed === 0) for (const rank of others) await save(job, lock.token, rank, step);
  const faults = failAt(folderOf(), count, torn);
  let isKilled = false;
  try {
    await save(job, lock.token, job.killed, step);
  } catch (error) {
    if (!(error instanceof Killed)) throw error;
    isKilled = true;
  } finally {
    faults.restore();
    lock.release();
  }
  return { isKilled, before: before.at(-1) ?? 0, step };
}

/** What the next job finds to go on from. */
function checkLatest(before: number, step: number): void {
  const latest = latestCheckpoint(folderOf());
  const found = latest === undefined ? 0 : loadStep(latest, ROWS);
  expect([before, step]).toContain(found);
}

/** What is there once it holds the folder. */
function checkFolder(before: number, step: number): void {
  checkLatest(before, step);
  const visible = readdirSync(folderOf()).filter((name) => name.startsWith("checkpoint-"));
  for (const name of visible) loadStep(join(folderOf(), name), ROWS);
}

test.each(Object.entries(jobs))("%s", async (_name, job) => {
  let changes = 0;
  for (let isKilled = true; isKilled;) {
    changes += 1;
    for (const torn of [false, true]) {
      const end = await interrupt(job, changes, torn);
      isKilled = end.isKilled;
      checkLatest(end.before, end.step);
      const named = latestCheckpoint(folderOf());
      const lock = await lockFolder(folderOf(), () => undefined);
      recover(folderOf());
      checkFolder(end.before, end.step);
      expect(named && locate(named)).toBe(latestCheckpoint(folderOf()));
      await saveAll(job, lock.token, end.step + 1);
      expect(loadStep(latestCheckpoint(folderOf())!, ROWS)).toBe(end.step + 1);
      lock.release();
      const left = readdirSync(folderOf()).filter((name) => name.startsWith("."));
      expect(left).toEqual([]);
    }
  }
  // Of every kind: folder, header, elements, flush, list; on the first rank the index and the names too.
  expect(changes).toBeGreaterThan(job.killed === 0 ? 10 : 6);
  expect(existsSync(folderOf())).toBe(true);
});
