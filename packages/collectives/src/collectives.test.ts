// The laws of groups on threads, and the errors of a rank's mistake.

import "@tensorflow/tfjs-backend-cpu";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { beforeAll, expect, test } from "@jest/globals";
import { setBackend } from "@tensorflow/tfjs-core";
import { UserError } from "@tessera/config";
import { meshGroups, runRank, runThreads, singleWorld } from "./index.js";
import { checkLaws, type Verdict } from "./laws.js";
import type { Mistake } from "./programs/mistakes.js";

beforeAll(() => setBackend("cpu"));

const program = (name: string) => pathToFileURL(join(__dirname, `../dist/programs/${name}.js`));

test("a single process fulfils the laws of groups", () => {
  expect(checkLaws(singleWorld()).checked).toBeGreaterThan(50);
});

test.each([1, 2, 3, 4, 8])(
  "%s threads fulfil the laws, with the same bits on all ranks and in two runs",
  async (ranks) => {
    const runs = await runThreads<[Verdict, Verdict]>({ program: program("laws"), ranks });
    const verdicts = [...runs.map(([first]) => first), ...runs.map(([, second]) => second)];
    expect(verdicts).toHaveLength(2 * ranks);
    expect(verdicts[0]!.checked).toBeGreaterThan(100);
    for (let parity = 0; parity < Math.min(ranks, 2); parity += 1) {
      const digests = verdicts.filter((_, i) => (i % ranks) % 2 === parity);
      expect(new Set(digests.map(({ digest }) => digest)).size).toBe(1);
    }
  },
);

test.each<readonly [Mistake, RegExp]>([
  ["throw", /rank 1: out of patience/],
  ["throw together", /rank \d: out of tokens/],
  ["sleep", /allReduce #2 of the world .*time is up; ranks 0, 2 called it, ranks 1 did not/],
  ["size", /rank \d calls allReduce \(sum\) of \d fp32, but rank \d calls allReduce/],
  ["call", /rank \d calls all\w+ .*, but rank \d calls all\w+ /],
  ["message", /receive from 1 of 4 fp32 in the world: rank 1 sent 3 fp32/],
])("%s: all ranks end, and the error names the rank", async (mistake, message) => {
  const run = runThreads({
    program: program("mistakes"),
    ranks: 3,
    data: mistake,
    limitSeconds: mistake === "sleep" ? 8 : 120, // long enough for a loaded machine
  });
  await expect(run).rejects.toThrow(message);
});

test("a mesh that differs from the world in size is refused", () => {
  const mesh = Object.entries({ pipeline: 2, data: 1, tensor: 3 });
  const axes = mesh.map(([name, degree]) => ({ name, degree }));
  expect(() => meshGroups(singleWorld(), axes)).toThrow(
    "pipeline 2 x data 1 x tensor 3 is 6 ranks, but the job has 1",
  );
});

test.each([
  [new Error("no memory"), 1, /^ {4}at [^]*\nrank 1 \(host n1\): no memory$/],
  [new UserError("--lr: must be positive"), 2, /^rank 1 \(host n1\): --lr: must be positive$/],
])("a rank that throws logs its name and host, then aborts", async (error, code, expected) => {
  const lines: string[] = [];
  const world = {
    ...singleWorld(),
    rank: 1,
    size: 2,
    hosts: ["n0", "n1"],
    abort: (exitCode: number): never => {
      throw new Error(`aborted with ${exitCode}`);
    },
  };
  const run = runRank(
    world,
    () => {
      throw error;
    },
    (line) => lines.push(line),
  );
  await expect(run).rejects.toThrow(`aborted with ${code}`);
  expect(lines.join("\n")).toMatch(expected);
});
