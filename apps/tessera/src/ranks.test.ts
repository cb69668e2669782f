// Ranks under mpirun, as a user starts them: that they agree with plain arithmetic, and that a failure
// of one ends them all, with its name.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { isAvailable } from "@tessera/collectives-mpi";
import { isAvailable as isNativeBuilt } from "@tessera/kernels-native";
import { launchRanks, markProcesses, runNode } from "@tessera/testing";
import { checkRanks, digestsOf, TESSERA } from "./programs/agree.js";

const PROGRAMS = join(__dirname, "../../../packages/collectives-mpi/dist/programs");

const canLaunch = isAvailable() && spawnSync("mpirun", ["--version"]).status === 0;
if (!canLaunch) {
  process.stdout.write("ranks.test: skipped, for MPI is not here; npm run setup installs it\n");
}

(canLaunch && isNativeBuilt() ? describe : describe.skip)("ranks on MPI", () => {
  test.each([2, 3, 8])("%s ranks agree with plain arithmetic, and twice to the bit", (ranks) => {
    const lines = checkRanks(ranks, 2);
    expect(lines).toHaveLength(2 * ranks);
    expect(lines[0]).toMatch(/^\[0\] rank 0 of \d .* \d{3,} results are right, digest \w+$/);
    expect(digestsOf(lines).map(({ size }) => size)).toEqual([1, 1]);
  });
});

(canLaunch ? describe : describe.skip)("ranks on MPI without a native backend", () => {
  test("agree with plain arithmetic", () => {
    const run = launchRanks(3, [join(PROGRAMS, "laws.js")]);
    expect(run).toMatchObject({ status: 0, stderr: "" });
    expect(run.stdout.trim().split("\n")).toHaveLength(3);
  });
});

(canLaunch ? describe : describe.skip)("a rank that fails ends the job:", () => {
  const program = join(PROGRAMS, "mistakes.js");

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
    const { env, alive } = markProcesses();
    const run = launchRanks(3, [program, mistake], { env });
    expect(run.status).toBeGreaterThan(0); // by itself: a limit's signal leaves no status
    expect(run.stderr.trim().split("\n").at(-1)).toMatch(said);
    expect(alive()).toEqual([]);
  });

  test("and so does Ctrl-C, with its exit code", async () => {
    const { env, alive } = markProcesses();
    const words = ["launch", "--nproc-per-node", "2", "--", process.execPath, program, "pause"];
    const run = spawn(process.execPath, [TESSERA, ...words], {
      stdio: ["ignore", "pipe", "ignore"],
      env,
    });
    const ended = once(run, "exit");
    await once(run.stdout, "data"); // it says that it pauses
    run.kill("SIGINT");
    expect((await ended)[0]).toBe(130);
    expect(alive()).toEqual([]);
  });
});

test("a launch without a program is refused", () => {
  const { status, stderr } = runNode([TESSERA, "launch"]);
  expect(status).toBe(2);
  expect(stderr).toContain("needs a program after --");
});
