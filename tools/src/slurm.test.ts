// Ranks on a real Slurm cluster of two hosts: that they agree with plain arithmetic, that job scripts run
// as they are written, and that whatever goes wrong ends the job and not the cluster.

import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";

const ROOT = join(__dirname, "../..");
const CLUSTER = join(ROOT, "tools/slurm-cluster/main.mjs");
const TESSERA = join(ROOT, "apps/tessera/dist/main.js");
const MISTAKES = join(ROOT, "packages/collectives-mpi/dist/programs/mistakes.js");

const cluster = (...args: string[]) =>
  spawnSync(process.execPath, [CLUSTER, ...args], { encoding: "utf8", timeout: 120_000 });

const reason = cluster("obstacle").stdout.trim();
if (reason !== "") process.stdout.write(`slurm.test: skipped, for ${reason}\n`);

/** The running processes whose command line has `mark` in it. Zombies wait for init, not for us. */
const processesWith = (mark: string): string =>
  spawnSync("pgrep", ["--runstates", "R,S,D,T", "-f", mark], { encoding: "utf8" }).stdout;

const run = (...args: string[]) => cluster("run", ...args);
const srun = ["srun", "--mpi=pmix", "--kill-on-bad-exit=1", "--nodes=2", "--ntasks-per-node=2"];

(reason === "" ? describe : describe.skip)("on two nodes of Slurm", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync("/tmp/tessera-slurm-");
    expect(cluster("start", "2").stderr).toBe("");
  }, 60_000);
  afterAll(() => {
    cluster("stop");
    rmSync(folder, { recursive: true });
    expect(processesWith("tessera-slurm|slurmd -D|slurmctld -D")).toBe("");
  }, 60_000);

  const check = () => {
    const { stdout, status } = run(...srun, "node", TESSERA, "check-ranks", "--elements", "5001");
    expect(status).toBe(0);
    return stdout.trim().split("\n").sort();
  };

  test("ranks agree with plain arithmetic, and in two runs and under mpirun to the bit", () => {
    const [first, second] = [check(), check()];
    expect(first).toHaveLength(4);
    expect(second).toEqual(first);
    expect(first.filter((line) => line.includes(" on n1,"))).toHaveLength(2);
    const args = ["launch", "--nproc-per-node", "4", "--", "node", TESSERA, "check-ranks"];
    const here = execFileSync(process.execPath, [TESSERA, ...args, "--elements", "5001"], {
      encoding: "utf8",
    });
    const digests = (lines: readonly string[]) => lines.map((line) => line.split(" ").at(-1));
    expect(digests(first)).toEqual(digests(here.trim().split("\n").sort()));
  }, 120_000);

  test.each([
    ["kill", /task 1: Killed/],
    ["throw", /rank 1 \(host n\d\): out of patience/],
    ["sleep", /rank 1 \(host n\d\) did not call it/],
    ["size", /rank 1 calls allReduce \(sum\) of 8 fp32/],
  ])(
    "%s: the job ends, says who, and the next one runs",
    (mistake, said) => {
      const { status, stderr } = run(...srun, "node", MISTAKES, mistake);
      expect(status).not.toBe(0);
      expect(stderr).toMatch(said);
      expect(processesWith(MISTAKES)).toBe("");
      expect(run("srun", "-N2", "-n2", "hostname").stdout.split("\n").sort()).toEqual([
        "",
        "n0",
        "n1",
      ]);
    },
    60_000,
  );

  test("a node whose link is pulled out ends the job, and serves again when it is back", async () => {
    const args = [CLUSTER, "run", ...srun, "node", MISTAKES, "pause"];
    const job = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    let said = "";
    job.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
    const paused = new Promise<void>((resolve) => job.stdout.once("data", () => resolve()));
    const ended = new Promise<number | null>((resolve) => job.once("close", resolve));
    await paused;
    cluster("unplug", "1");
    try {
      expect(await ended).not.toBe(0);
      expect(said).toMatch(/rank 2 \(host n1\), rank 3 \(host n1\) did not answer/);
    } finally {
      cluster("plug", "1");
    }
    let hosts = "";
    for (const deadline = Date.now() + 60_000; hosts === "" && Date.now() < deadline;) {
      hosts = run("srun", "--immediate=10", "-N2", "-n2", "hostname").stdout;
    }
    expect(hosts.split("\n").sort()).toEqual(["", "n0", "n1"]);
    expect(processesWith(MISTAKES)).toBe("");
  }, 180_000);

  test("the script that tessera sbatch writes runs as it is", () => {
    const script = join(folder, "job.sh");
    const flags = ["--nodes", "2", "--ranks-per-node", "2", "--time", "5", "--log-folder", folder];
    const program = ["--", process.execPath, TESSERA, "check-ranks", "--elements", "100"];
    execFileSync(process.execPath, [TESSERA, "sbatch", ...flags, "--output", script, ...program]);
    const { stdout, status } = run("sbatch", "--parsable", "--wait", script);
    expect(status).toBe(0);
    const log = readFileSync(join(folder, `tessera-${stdout.trim()}.log`), "utf8");
    expect(log.match(/results are right/g)).toHaveLength(4);
  }, 60_000);

  test("ranks that are warned of the time limit save, and their job goes back into the queue", () => {
    const script = join(folder, "requeue.sh");
    const flags = ["--job-name", "requeue", "--time", "5", "--warning-seconds", "60"];
    const rank = "trap 'echo saved; exit 0' TERM; echo began; while :; do sleep 0.1; done";
    const log = ["--log-folder", folder, "--output", script];
    execFileSync(process.execPath, [TESSERA, "sbatch", ...flags, ...log, "--", "bash", "-c", rank]);
    const job = run("sbatch", "--parsable", script).stdout.trim();
    const said = () => {
      const file = join(folder, `requeue-${job}.log`);
      return existsSync(file) ? readFileSync(file, "utf8") : "";
    };
    const until = (isTrue: () => boolean) => {
      for (const deadline = Date.now() + 30_000; !isTrue() && Date.now() < deadline;)
        spawnSync("sleep", ["0.2"]);
      expect(isTrue()).toBe(true);
    };
    until(() => said().includes("began"));
    run("scancel", "--batch", "--signal=USR1", job); // as Slurm does before the limit
    until(() => said().includes("saved"));
    until(() => run("scontrol", "show", "job", job).stdout.includes("Restarts=1"));
    run("scancel", job);
  }, 120_000);
});
