import { expect, test } from "@jest/globals";
import { rampedBatch } from "./index.js";

test("a batch grows by its increment over equal runs of samples, and is then full", () => {
  const ramp = { start: 16, increment: 8, samples: 300, full: 40 }; // three increments of 100 samples
  const at = [0, 99, 100, 199, 200, 299, 300, 301, 10_000];
  expect(at.map((consumed) => rampedBatch(ramp, consumed))).toEqual([
    16, 16, 24, 24, 32, 32, 40, 40, 40,
  ]);
});

test("a batch that starts full stays so", () => {
  const ramp = { start: 12, increment: 4, samples: 100, full: 12 };
  expect([0, 1, 1e9].map((consumed) => rampedBatch(ramp, consumed))).toEqual([12, 12, 12]);
});
