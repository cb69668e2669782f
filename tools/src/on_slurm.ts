// A Slurm cluster of two hosts on this machine, for tests: see tools/slurm-cluster.

import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect } from "@jest/globals";
import { markProcesses, runNode } from "@tessera/testing";

export const ROOT = join(__dirname, "../..");
const CLUSTER = join(ROOT, "tools/slurm-cluster/main.mjs");
export const TESSERA = join(ROOT, "apps/tessera/dist/main.js");
export const GPT_DDP = join(ROOT, "apps/gpt-ddp/dist/main.js");
export const MISTAKES = join(ROOT, "packages/collectives-mpi/dist/programs/mistakes.js");

const daemons = markProcesses();
/** The processes of jobs, on both nodes. */
export const jobs = markProcesses();

export const cluster = (...args: string[]) => runNode([CLUSTER, ...args], { env: daemons.env });

/** Runs one of Slurm's commands against the cluster. */
export const run = (...args: string[]) => runNode(runWords(...args), { env: jobs.env });

export const runWords = (...args: string[]): string[] => [CLUSTER, "run", ...args];

const reason = cluster("obstacle").stdout.trim();
if (reason !== "") process.stdout.write(`slurm tests: skipped, for ${reason}\n`);

/** Tests of a cluster that is there while they run, if one can be; `folder` is seen by all nodes. */
export function onTwoNodes(define: (folder: string) => void): void {
  (reason === "" ? describe : describe.skip)("on two nodes of Slurm", () => {
    const folder = mkdtempSync("/tmp/tessera-slurm-");
    beforeAll(() => {
      expect(cluster("start", "2").stderr).toBe("");
    });
    afterAll(() => {
      cluster("stop");
      rmSync(folder, { recursive: true });
      expect([...daemons.alive(), ...jobs.alive()]).toEqual([]);
    });
    define(folder);
  });
}

/** Ends a test that waits in vain, and not one that waits for a loaded machine. */
const PATIENCE_MS = 600_000;

/** A job under way, submitted from `cwd`: its log, and what Slurm does to it. */
export function submit(script: string, cwd: string) {
  const words = runWords("sbatch", "--parsable", script);
  const id = runNode(words, { cwd, env: jobs.env }).stdout.trim();
  const name = /--job-name=(.*)/.exec(readFileSync(join(cwd, script), "utf8"))![1]!;
  const log = join(cwd, `${name}-${id}.log`);
  const output = () => (existsSync(log) ? readFileSync(log, "utf8") : "");
  const until = (isTrue: (output: string) => boolean) => {
    for (const deadline = Date.now() + PATIENCE_MS; !isTrue(output()) && Date.now() < deadline;) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    }
    expect(isTrue(output()) || output()).toBe(true);
  };
  const isThere = (what: string) => run("scontrol", "show", "job", id).stdout.includes(what);
  return {
    id,
    output,
    until,
    isThere,
    /** As Slurm does before the time limit; returns when the job is back. */
    requeue() {
      run("scancel", "--batch", "--signal=USR1", id);
      until(() => isThere("Restarts=1"));
      until(() => isThere("JobState=RUNNING")); // Slurm lets it wait for a while
    },
  };
}
