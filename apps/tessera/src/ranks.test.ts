// Ranks under mpirun, as a user starts them: that they agree with plain arithmetic, and that a failure
// of one ends them all, with its name.

import { execFileSync, spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { isAvailable } from "@tessera/collectives-mpi";
import { isAvailable as isNativeBuilt } from "@tessera/kernels-native";

const TESSERA = join(__dirname, "../dist/main.js");
const PROGRAMS = join(__dirname, "../../../packages/collectives-mpi/dist/programs");

const canLaunch = isAvailable() && spawnSync("mpirun", ["--version"]).status === 0;
if (!canLaunch) {
  process.stdout.write("ranks.test: skipped, for MPI is not here; npm run setup installs it\n");
}

const launchArgs = (ranks: number, ...program: string[]) => [
  TESSERA,
  "launch",
  "--nproc-per-node",
  String(ranks),
  "--",
  process.execPath,
  ...program,
];

/** What a rank on the native backend says, of sums of 7 x 30001 elements too. */
const verdicts = (ranks: number): string[] =>
  execFileSync(process.execPath, launchArgs(ranks, TESSERA, "check-ranks", "--elements", "30001"), {
    encoding: "utf8",
    timeout: 300_000,
  })
    .trim()
    .split("\n")
    .sort();

/** The processes whose command line has `mark` in it. */
const processesWith = (mark: string): string =>
  spawnSync("pgrep", ["--runstates", "R,S,D,T", "-f", mark], { encoding: "utf8" }).stdout;

(canLaunch && isNativeBuilt() ? describe : describe.skip)("ranks on MPI", () => {
  test.each([1, 2, 3, 4, 8])(
    "%s ranks agree with plain arithmetic, and in two runs to the bit",
    (ranks) => {
      const [first, second] = [verdicts(ranks), verdicts(ranks)];
      expect(first).toHaveLength(ranks);
      expect(first[0]).toMatch(/^\[0\] rank 0 of \d .* \d{3,} results are right, digest \w+$/);
      expect(second).toEqual(first);
      const digests = first
        .filter((_, rank) => rank % 2 === 0)
        .map((line) => line.split(" ").at(-1));
      expect(new Set(digests).size).toBe(1);
    },
    300_000,
  );
});

(canLaunch ? describe : describe.skip)("ranks on MPI without a native backend", () => {
  test("agree with plain arithmetic", () => {
    const run = spawnSync(process.execPath, launchArgs(3, join(PROGRAMS, "laws.js")), {
      encoding: "utf8",
      timeout: 60_000,
    });
    expect(run).toMatchObject({ status: 0, stderr: "" });
    expect(run.stdout.trim().split("\n")).toHaveLength(3);
  });

  test("exchange more bytes than 31 bits count", () => {
    const needed = 9 * 2 ** 30;
    const free = Number(/MemAvailable: +(\d+) kB/.exec(readFileSync("/proc/meminfo", "utf8"))?.[1]);
    if (free * 1024 < needed) {
      process.stdout.write(
        `ranks.test: ${needed} bytes of memory are not free; 2^31 is untested\n`,
      );
      return;
    }
    const run = spawnSync(process.execPath, launchArgs(2, join(PROGRAMS, "huge.js")), {
      encoding: "utf8",
      timeout: 240_000,
    });
    expect(run).toMatchObject({ status: 0, stderr: "" });
    expect(run.stdout).toMatch(/rank 1 has 2147483656 elements/);
  }, 250_000);
});

(canLaunch ? describe : describe.skip)("a rank that fails ends the job:", () => {
  test.each([
    ["kill", /rank 1 \(host \S+\): ended by signal 9 \(Killed\)/],
    ["throw", /rank 1 \(host \S+\): out of patience/],
    ["leave", /rank 1 \(host \S+\): ended with code 0 before the others had/],
    ["sleep", /time is up; rank 0 .*, rank 2 .* called it; rank 1 \(host \S+\) did not call it/],
    ["stop", /time is up; .* called it; rank 1 \(host \S+\) did not answer/],
    [
      "size",
      /rank 0 calls allReduce \(sum\) of 4 fp32, but rank 1 calls allReduce \(sum\) of 8 fp32/,
    ],
  ])("%s", (mistake, said) => {
    const program = join(PROGRAMS, "mistakes.js");
    const began = Date.now();
    const run = spawnSync(process.execPath, launchArgs(3, program, mistake), {
      encoding: "utf8",
      timeout: 120_000,
    });
    expect(run.status).toBeGreaterThan(0);
    expect(run.stderr.trim().split("\n").at(-1)).toMatch(said);
    expect(Date.now() - began).toBeLessThan(30_000);
    expect(processesWith(program)).toBe("");
  });

  test("and so does Ctrl-C, with its exit code", async () => {
    const program = join(PROGRAMS, "mistakes.js");
    const run = spawn(process.execPath, launchArgs(2, program, "sleep"), { stdio: "ignore" });
    const ended = new Promise<number | null>((resolve) => run.once("exit", resolve));
    await new Promise((resolve) => setTimeout(resolve, 2000));
    run.kill("SIGINT");
    expect(await ended).toBe(130);
    expect(processesWith(program)).toBe("");
  });
});

test("a launch without a program is refused", () => {
  const { status, stderr } = spawnSync(process.execPath, [TESSERA, "launch"], { encoding: "utf8" });
  expect(status).toBe(2);
  expect(stderr).toContain("needs a program after --");
});
