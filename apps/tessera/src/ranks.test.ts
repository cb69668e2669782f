// Ranks under mpirun, as a user starts them: that they agree with plain arithmetic, and that a failure
// of one ends them all, with its name.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { isAvailable } from "@tessera/collectives-mpi";
import { isAvailable as isNativeBuilt } from "@tessera/kernels-native";
import { launchRanks, markProcesses, runNode } from "@tessera/testing";
import { listensOutside } from "./programs/listening.js";
import { checkRanks, digestsOf, TESSERA } from "./programs/agree.js";

const PROGRAMS = join(__dirname, "../../../packages/collectives-mpi/dist/programs");

const canLaunch = isAvailable() && spawnSync("mpirun", ["--version"]).status === 0;
if (!canLaunch) {
  process.stdout.write("ranks.test: skipped, for MPI is not here; npm run setup installs it\n");
}

(canLaunch && isNativeBuilt() ? describe : describe.skip)("ranks on MPI", () => {
  test.each([2, 3])("%s ranks agree with plain arithmetic, and twice to the bit", (ranks) => {
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

  test("and so does Ctrl-C, with its exit code; until then nobody listens to other machines", async () => {
    const { env, alive, numbers } = markProcesses();
    const words = ["launch", "--nproc-per-node", "2", "--", process.execPath, program, "pause"];
    const run = spawn(process.execPath, [TESSERA, ...words], {
      stdio: ["ignore", "pipe", "ignore"],
      env,
    });
    const ended = once(run, "exit");
    await once(run.stdout, "data"); // it says that it pauses
    expect(numbers().length).toBeGreaterThan(3); // tessera launch, mpirun and the ranks
    expect(listensOutside(numbers())).toEqual([]);
    run.kill("SIGINT");
    expect((await ended)[0]).toBe(130);
    expect(alive()).toEqual([]);
  });
});

/** Ends after longer than mpirun would wait, with `code`. */
const slowEnd = (code: number): string => `
  const save = () => setTimeout(() => { console.log("saved"); process.exit(${code}); }, 2500);
  for (const name of ["SIGINT", "SIGTERM"]) process.once(name, save);
  process.on("SIGHUP", () => console.log("went on"));
  setInterval(() => undefined, 1000);
  console.log("up");`;

(canLaunch ? describe : describe.skip)("a signal lets every rank save, however slow:", () => {
  test.each<[signal: NodeJS.Signals, ranks: number, code: number, expected: number]>([
    ["SIGINT", 2, 130, 130],
    ["SIGTERM", 1, 0, 0],
  ])("%s to %i", async (signal, ranks, code, expected) => {
    const { env, alive } = markProcesses();
    // Behind a shell, which does not forward signals.
    const program = ["sh", "-c", '"$0" -e "$1"; exit $?', process.execPath, slowEnd(code)];
    const words = ["launch", "--nproc-per-node", String(ranks), "--", ...program];
    const run = spawn(process.execPath, [TESSERA, ...words], {
      stdio: ["ignore", "pipe", "ignore"],
      detached: true, // so that its process group can be signalled as a terminal does it
      env,
    });
    let shown = "";
    const ended = once(run, "exit");
    let asked = 0;
    run.stdout.setEncoding("utf8").on("data", (text: string) => {
      shown += text;
      if (asked > 0 || shown.split("up").length <= ranks) return;
      asked += 1;
      process.kill(-run.pid!, "SIGHUP");
      process.kill(-run.pid!, signal);
    });
    expect((await ended)[0]).toBe(expected);
    for (const word of ["went on", "saved"]) expect(shown.split(word)).toHaveLength(ranks + 1);
    expect(alive()).toEqual([]);
  });
});

test("a launch without a program is refused", () => {
  const { status, stderr } = runNode([TESSERA, "launch"]);
  expect(status).toBe(2);
  expect(stderr).toContain("needs a program after --");
});
