// The command as a user has it: a run that holds, its certificate, and what it refuses.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { isAvailable } from "@tessera/collectives-mpi";
import { launchRanks, runNode, scratchFolder } from "@tessera/testing";

const MAIN = join(__dirname, "../../dist/main.js");
const PROGRAM = join(__dirname, "../../dist/programs/described_run.js");
const at = scratchFolder("verify");

const small = { layerCount: 2, hiddenSize: 32, headCount: 4, vocabularySize: 100 };
const run = (parallel: object) => [
  "node",
  PROGRAM,
  JSON.stringify({ gpt: small, parallel, run: { batch: { micro: 1, accumulation: 2 } } }),
];
const tensor = run({ tensor: 2, sequence: true });
const tessera = (...words: readonly string[]) => runNode([MAIN, ...words]);

describe("a certificate", () => {
  test("is written where all agrees, and nothing else is left", () => {
    const flags = ["--ranks", "2", "--certificate", at("run.json"), "--scratch-folder", at("")];
    const { status, stdout } = tessera("verify", ...flags, "--", ...tensor);
    expect(stdout).toMatch(/^layout +tensor 2 \(sequence\); 2 threads\n/);
    expect(stdout).toMatch(/\n\nAll ranks together compute what one rank computes\.\n$/);
    expect(status).toBe(0);
    expect(readdirSync(at(""))).toEqual(["run.json"]);
  });

  test("is of one run, for verify and for sbatch", () => {
    const check = ["verify", "--check", at("run.json"), "--"];
    expect(tessera(...check, ...tensor)).toMatchObject({ status: 0, stderr: "" });
    const other = run({ zeroStage: 1 });
    expect(tessera(...check, ...other)).toMatchObject({
      status: 2,
      stderr: `tessera: ${at("run.json")}: is of other flags; verify this run: tessera verify --certificate\n`,
    });
    const script = ["sbatch", "--certificate", at("run.json"), "--output", at("job.sh"), "--"];
    expect(tessera(...script, ...other).status).toBe(2);
    expect(tessera(...script, ...tensor)).toMatchObject({ status: 0, stderr: "" });
    expect(readFileSync(at("job.sh"), "utf8")).toMatch(
      /\nset -eu\n[^]*main\.js verify --check \S+run\.json -- node [^]*\nsrun /,
    );
  });

  test("is refused where it is none", () => {
    expect(tessera("verify", "--check", MAIN, "--", ...tensor)).toMatchObject({
      status: 2,
      stderr: `tessera: ${MAIN}: is no certificate of tessera verify\n`,
    });
  });
});

test.each([
  [["--ranks", "2"], [], /needs a program after --/],
  [["--ranks", "2"], ["no-such-program"], /no-such-program: is neither a file nor a program/],
  [[], tensor, /--ranks N says on how many ranks/],
  [["--ranks", "3"], tensor, /tensor 2 x pipeline 1: the job has 3 ranks/],
  [["--ranks", "2"], [join(__dirname, "../../dist/command.js")], /exports no function describeRun/],
])("%j %j is refused in a sentence", (flags, program, sentence) => {
  const { status, stderr } = tessera("verify", ...flags, "--", ...program);
  expect(stderr).toMatch(sentence);
  expect(stderr.split("\n")).toHaveLength(2);
  expect(status).toBe(2);
});

(isAvailable() ? test : test.skip)("ranks of MPI verify as threads do", () => {
  const words = [MAIN, "verify", "--scratch-folder", at(""), "--", ...tensor];
  const { status, stdout } = launchRanks(2, words);
  expect(stdout).toMatch(/tensor 2 \(sequence\); 2 ranks by /);
  expect(status).toBe(0);
  expect(readdirSync(at("")).filter((name) => name.startsWith("tessera-verify"))).toEqual([]);
});
