import { expect, test } from "@jest/globals";
import {
  markProcesses,
  mutate,
  mutateJson,
  outputOf,
  relativeError,
  runNode,
  runProgram,
  seededRandom,
} from "./index.js";
import { spawn } from "node:child_process";
import { once } from "node:events";

test("a mutation is a function of its seed, and changes nearly every file", () => {
  const file = Buffer.from('{"shape": [2, 3], "name": "weight"}'.repeat(3));
  const made = (seed: number) => mutate(file, seededRandom(seed), { head: 20, words: ["[", "-1"] });
  const seeds = Array.from({ length: 200 }, (_, seed) => seed);
  for (const seed of seeds) expect(made(seed).equals(made(seed))).toBe(true);
  expect(new Set(seeds.map((seed) => made(seed).toString("latin1"))).size).toBeGreaterThan(150);
  expect(seeds.filter((seed) => made(seed).equals(file)).length).toBeLessThan(10);
});

test("JSON is changed in its structure, at all depths, as its seed says, and is mostly still JSON", () => {
  const value = { shape: [2, 3], model: { vocab: { a: 1, b: 2 }, merges: [["a", "b"]] } };
  const made = (seed: number) => mutateJson(value, seededRandom(7919 * seed), ["odd"]);
  const texts = Array.from({ length: 300 }, (_, seed) => made(seed));
  expect(texts).toEqual(texts.map((_, seed) => made(seed)));
  expect(new Set(texts).size).toBeGreaterThan(150);
  const parsed = texts.flatMap((text): readonly unknown[] => {
    try {
      return [JSON.parse(text)];
    } catch {
      return [];
    }
  });
  expect(parsed.length).toBeGreaterThan(240);
  const deep = parsed.filter((one) => {
    const { model } = (one ?? {}) as Partial<typeof value>;
    return JSON.stringify(model?.vocab) !== JSON.stringify(value.model.vocab);
  });
  expect(deep.length).toBeGreaterThan(20);
});

test("a program that hangs is ended, and what it said is kept", () => {
  const hang = ["-c", "printf here; exec sleep 1000"];
  const ended = runProgram("sh", hang, { timeout: 2000 });
  expect(ended).toMatchObject({ status: null, stdout: "here" });
  expect(ended.stderr).toContain("ETIMEDOUT");
  expect(runNode(["-e", "process.exit(3)"])).toEqual({ status: 3, stdout: "", stderr: "" });
});

test("the output of a program is had where it ended well", () => {
  expect(outputOf(runNode(["-e", "process.stdout.write('here')"]))).toBe("here");
  const failing = ["-e", "console.error('why'); process.exitCode = 3"];
  expect(() => outputOf(runNode(failing))).toThrow(/ended with 3: why/);
});

test.each([
  [[1, -4, 2], [1, -4, 3], 0.25],
  [[0, 0], [0, 0], 0],
  [[1], [1, 2], NaN],
  [[NaN, 1], [1, 1], NaN],
])("the error of %j beside %j is %s of the largest", (actual, expected, error) => {
  expect(relativeError(actual, expected)).toBe(error);
});

test("marked processes are found while they live, with their children, and no others", async () => {
  const [ours, others] = [markProcesses(), markProcesses()];
  const script = "sleep 100 & echo here; wait";
  const child = spawn("sh", ["-c", script], { env: ours.env, detached: true });
  await once(child.stdout, "data");
  expect(ours.alive()).toHaveLength(2);
  expect(others.alive()).toEqual([]);
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(ours.alive()).toEqual(["sleep 100"]);
  process.kill(-child.pid!, "SIGKILL");
});
