// One training on a real Slurm cluster of two hosts, from the job script to the loss: the slow tests do the rest.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import * as slurm from "./on_slurm.js";

const { GPT_DDP, jobs, MISTAKES, onTwoNodes, ROOT, run, TESSERA } = slurm;

const srun = ["srun", "--mpi=pmix", "--kill-on-bad-exit=1", "--nodes=2"];

onTwoNodes((folder) => {
  test("three ranks agree with plain arithmetic, twice to the bit", () => {
    const check = [process.execPath, TESSERA, "check-ranks", "--elements", "5001", "--repeat", "2"];
    const { stdout, stderr, status } = run(...srun, "--ntasks=3", ...check);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const lines = stdout.trim().split("\n").sort();
    expect(lines).toHaveLength(6);
    expect(new Set(lines).size).toBe(3);
    expect(stdout).toMatch(/rank 0 of 3 on n0, .* \d{3,} results are right/);
    expect(stdout).toMatch(/ on n1, .* results are right/);
  });

  test("the data-parallel example learns from the job script that tessera sbatch writes", () => {
    const at = (name: string) => join(folder, name);
    const job = ["--nodes", "2", "--ranks-per-node", "2", "--time", "5"];
    const files = ["--log-folder", folder, "--output", at("job.sh")];
    const program = [process.execPath, GPT_DDP, "--text", join(ROOT, "docs/*.md")];
    const flags =
      `--output_dir ${at("out")} --model tiny --max_len 32 --per_device_train_batch_size 8 ` +
      "--learning_rate 0.002 --max_steps 20 --warmup_steps 5 --sample_len 0 --logging_steps 1 --eval_steps 0";
    const words = [...job, ...files, "--", ...program, ...flags.split(" ")];
    execFileSync(process.execPath, [TESSERA, "sbatch", ...words]);
    expect(run("sbatch", "--wait", at("job.sh")).status).toBe(0);
    const metrics = readFileSync(at("out/metrics.jsonl"), "utf8");
    const losses = [...metrics.matchAll(/"loss":([\d.]+)/g)].map(([, loss]) => Number(loss));
    expect(losses).toHaveLength(20);
    expect(losses.at(-1)).toBeLessThan(0.8 * losses[0]!);
  });

  test("a rank that is killed ends the job, is named, and the next job runs", () => {
    const { status, stderr } = run(...srun, "--ntasks=4", "node", MISTAKES, "kill");
    expect(status).not.toBe(0);
    expect(stderr).toMatch(/task 1: Killed/);
    expect(jobs.alive()).toEqual([]);
    expect(run("srun", "-N2", "-n2", "hostname").stdout.split("\n").sort()).toEqual([
      "",
      "n0",
      "n1",
    ]);
  });
});
