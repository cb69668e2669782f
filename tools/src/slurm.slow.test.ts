// Ranks on a real Slurm cluster of two hosts: that they agree with plain arithmetic, that job scripts run
// as they are written, and that whatever goes wrong ends the job and not the cluster.

import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { commandsBehind } from "./documented.js";
import * as slurm from "./on_slurm.js";

const { cluster, jobs, onTwoNodes, run, runWords, submit } = slurm;
const { GPT_DDP, MISTAKES, ROOT, TESSERA } = slurm;

const DOCUMENTED = "## The 1.4B line, narrowed to run anywhere";

const srun = ["srun", "--mpi=pmix", "--kill-on-bad-exit=1", "--nodes=2", "--ntasks-per-node=2"];

onTwoNodes((folder) => {
  /** How srun lays out so many ranks; 7 and 1 are the most uneven, and a node's last rank is its worst. */
  const layouts: Readonly<Record<number, readonly string[]>> = {
    1: ["--nodes=1", "--ntasks=1"],
    2: ["--nodes=2", "--ntasks=2"],
    3: ["--nodes=2", "--ntasks=3"],
    4: ["--nodes=2", "--ntasks=4"],
    8: ["--nodes=2", "--ntasks=8", "--distribution=plane=7"],
  };
  const digests = (lines: string) =>
    lines
      .trim()
      .split("\n")
      .map((line) => line.split(" ").at(-1));

  test.each([1, 2, 3, 4, 8])(
    "%s ranks agree with plain arithmetic, and in two runs and under mpirun to the bit",
    (ranks) => {
      const program = [process.execPath, TESSERA, "check-ranks", "--elements", "5001"];
      const check = () => {
        const { stdout, stderr, status } = run(
          ...["srun", "--mpi=pmix", "--kill-on-bad-exit=1", ...layouts[ranks]!],
          ...program,
        );
        expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
        return stdout.trim().split("\n").sort().join("\n");
      };
      const [first, second] = [check(), check()];
      expect(first.match(/ results are right/g)).toHaveLength(ranks);
      expect(second).toEqual(first);
      expect(first.includes(" on n1,")).toBe(ranks > 1);
      const args = ["launch", "--nproc-per-node", String(ranks), "--", ...program];
      const here = execFileSync(process.execPath, [TESSERA, ...args], { encoding: "utf8" });
      expect(digests(here).sort()).toEqual(digests(first).sort());
    },
  );

  test.each([
    ["kill", /task 1: Killed/],
    ["throw", /rank 1 \(host n\d\): out of patience/],
    ["sleep", /rank 1 \(host n\d\) did not call it/],
    ["size", /rank 1 calls allReduce \(sum\) of 8 fp32/],
  ])("%s: the job ends and names the rank, and the next job runs", (mistake, message) => {
    const { status, stderr } = run(...srun, "node", MISTAKES, mistake);
    expect(status).not.toBe(0);
    expect(stderr).toMatch(message);
    expect(jobs.alive()).toEqual([]);
    expect(run("srun", "-N2", "-n2", "hostname").stdout.split("\n").sort()).toEqual([
      "",
      "n0",
      "n1",
    ]);
  });

  test("a node whose link is pulled out ends the job, and serves again when it is back", async () => {
    const job = spawn(process.execPath, runWords(...srun, "node", MISTAKES, "pause"), {
      stdio: ["ignore", "pipe", "pipe"],
      env: jobs.env,
    });
    let stderr = "";
    job.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    const paused = new Promise<void>((resolve) => job.stdout.once("data", () => resolve()));
    const ended = new Promise<number | null>((resolve) => job.once("close", resolve));
    await paused;
    cluster("unplug", "1");
    try {
      expect(await ended).not.toBe(0);
      expect(stderr).toMatch(/rank 2 \(host n1\), rank 3 \(host n1\) did not answer/);
    } finally {
      cluster("plug", "1");
    }
    let hosts = "";
    for (const deadline = Date.now() + 240_000; hosts === "" && Date.now() < deadline;) {
      hosts = run("srun", "--immediate=10", "-N2", "-n2", "hostname").stdout;
    }
    expect(hosts.split("\n").sort()).toEqual(["", "n0", "n1"]);
    expect(jobs.alive()).toEqual([]);
  });

  test("the script that tessera sbatch writes runs as it is", () => {
    const script = join(folder, "job.sh");
    const flags = ["--nodes", "2", "--ranks-per-node", "2", "--time", "5", "--log-folder", folder];
    const program = ["--", process.execPath, TESSERA, "check-ranks", "--elements", "100"];
    execFileSync(process.execPath, [TESSERA, "sbatch", ...flags, "--output", script, ...program]);
    const { stdout, status } = run("sbatch", "--parsable", "--wait", script);
    expect(status).toBe(0);
    const log = readFileSync(join(folder, `tessera-${stdout.trim()}.log`), "utf8");
    expect(log.match(/results are right/g)).toHaveLength(4);
  });

  test("the data-parallel example learns from a job script, and the same on one node as on two", () => {
    const config = join(ROOT, "apps/gpt-ddp/examples/ds_config.json");
    // As the example has them, but for the size of a step, and its learning rate.
    const flags =
      `--deepspeed ${config} --do_train=True --per_device_train_batch_size 4 --max_len 128 ` +
      "--learning_rate 0.002 --adam_beta2 0.98 --weight_decay 0.0000 --adam_epsilon 1e-8 --max_steps 20 " +
      "--warmup_steps 10 --master_addr=n0 --model tiny --sample_len 0 --logging_steps 1 --eval_steps 0";
    const losses = [2, 1].map((nodes) => {
      const [script, output] = ["job.sh", "out"].map((name) =>
        join(folder, `example-${nodes}-${name}`),
      );
      const sizes = [
        "--nodes",
        String(nodes),
        "--ranks-per-node",
        String(16 / nodes),
        "--time",
        "5",
      ];
      const files = ["--log-folder", folder, "--output", script!];
      const program = [process.execPath, GPT_DDP, "--text", join(ROOT, "docs/*.md")];
      const words = [...sizes, ...files, "--", ...program, "--output_dir", output!];
      execFileSync(process.execPath, [TESSERA, "sbatch", ...words, ...flags.split(" ")]);
      expect(run("sbatch", "--wait", script!).status).toBe(0);
      const metrics = readFileSync(join(output!, "metrics.jsonl"), "utf8");
      return [...metrics.matchAll(/"loss":([\d.]+)/g)].map(([, loss]) => Number(loss));
    });
    const [two, one] = losses as [number[], number[]];
    expect(two).toHaveLength(20);
    expect(two.at(-1)).toBeLessThan(0.8 * two[0]!);
    two.forEach((loss, step) => expect(Math.abs(loss / one[step]! - 1)).toBeLessThan(1e-5));
  });

  test("a job that is warned of its time limit saves, is requeued, and goes on to the bit", () => {
    const at = (name: string) => join(folder, name);
    writeFileSync(at("text.txt"), "To be, or not to be, that is the question. ".repeat(40));
    const sizes = ["--model", "tiny", "--max_len", "16", "--per_device_train_batch_size", "2"];
    const intervals = ["--max_steps", "1000000", "--logging_steps", "1", "--eval_steps", "0"];
    const resuming = ["--exit_signal_handler", "--resume_from_checkpoint", "auto"];
    /** A job of that name, and the losses that it has written by step. */
    const start = (name: string) => {
      const paths = ["--text", at("text.txt"), "--output_dir", at(name)];
      const program = [process.execPath, GPT_DDP, ...paths, ...sizes, ...intervals, ...resuming];
      const layout = ["--job-name", name, "--nodes", "2", "--ranks-per-node", "2", "--time", "5"];
      const files = ["--log-folder", folder, "--output", at(`${name}.sh`)];
      const flags = [...layout, "--warning-seconds", "60", ...files];
      execFileSync(process.execPath, [TESSERA, "sbatch", ...flags, "--", ...program]);
      const losses = () =>
        readFileSync(at(`${name}/metrics.jsonl`), "utf8").match(/"step":\d+,"loss":[^,]+/g)!;
      return { ...submit(`${name}.sh`, folder), losses };
    };
    const job = start("requeued");
    job.until((output) => output.includes("step 3/"));
    job.requeue();
    const [, saved] = /saved {2}.*checkpoint-(\d+)/.exec(job.output()) ?? [];
    job.until((output) => output.includes(`resume from step ${saved}`));
    const isPast = (output: string) => output.includes(`step ${Number(saved) + 3}/`);
    job.until(isPast);
    run("scancel", job.id);
    const uninterrupted = start("unstopped");
    uninterrupted.until(isPast);
    run("scancel", uninterrupted.id);
    const steps = Number(saved) + 2;
    const losses = job.losses().slice(0, steps);
    expect(losses).toHaveLength(steps);
    expect(losses).toEqual(uninterrupted.losses().slice(0, steps));
  });

  test("the documented line of 1.4B trains on sixteen ranks, is warned, requeued, and ends", () => {
    const cwd = join(folder, "documented");
    mkdirSync(cwd);
    for (const name of ["README.md", "LICENSE", "apps", "docs", "node_modules", "packages"]) {
      symlinkSync(join(ROOT, name), join(cwd, name));
    }
    const guide = join(ROOT, "docs/pretraining.md");
    const [preprocess, sbatch, ...rest] = commandsBehind(guide, DOCUMENTED);
    expect(rest).toEqual(["sbatch job.sh"]);
    for (const command of [preprocess!, sbatch!]) execFileSync("bash", ["-c", command], { cwd });
    const job = submit("job.sh", cwd);
    job.until((output) => output.includes("iteration        9/"));
    job.requeue();
    const iterations = () =>
      [...job.output().matchAll(/iteration +(\d+)\/ +30 /g)].map(([, n]) => Number(n));
    job.until((output) => output.includes("checkpoint-30"));
    job.until(() => job.isThere("JobState=COMPLETED"));
    const [, saved] = /saved {2}checkpoints\/checkpoint-(\d+)/.exec(job.output())!;
    expect(job.output()).toContain(`resume from step ${saved}`);
    expect(iterations()).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
    expect(job.output()).toContain("16: tensor 8 x pipeline 2 x data 1");
  });
});
