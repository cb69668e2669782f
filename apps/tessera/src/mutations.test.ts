// Inputs of all kinds with changes in bytes and structure: each is read to its end, or refused in a sentence. And those
// that once were neither.

import { mkdirSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { scratchFolder } from "@tessera/testing";
import type { Ends } from "./programs/mutated/series.js";
import { runAll } from "./programs/mutated/targets.js";

const at = scratchFolder("mutations");

const INPUTS = 1500;

test(`of ${INPUTS} mutated inputs none crashes or hangs, and not all are refused`, async () => {
  mkdirSync(at("series"));
  const ends = [...(await runAll(at("series"), INPUTS, 1)).values()];
  const sum = (end: keyof Ends): number => ends.reduce((total, one) => total + one[end], 0);
  expect(sum("read")).toBeGreaterThan(INPUTS / 10);
  expect(sum("refused")).toBeGreaterThan(INPUTS / 3);
  expect(ends.every(({ read, refused }) => read + refused > 0)).toBe(true);
});
