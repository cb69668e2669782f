import { expect, test } from "@jest/globals";
import { countRampedSteps, rampedBatch, rampSizes } from "./index.js";
import type { Quantity } from "./units.js";

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

test("a batch of stages has the size of the last one that has begun", () => {
  const stages = [
    { from: 0, size: 16 },
    { from: 100, size: 48 },
    { from: 300, size: 32 },
  ];
  const ramp = { stages, full: 32 };
  expect([0, 99, 100, 299, 300, 1e9].map((consumed) => rampedBatch(ramp, consumed))).toEqual([
    16, 16, 48, 48, 32, 32,
  ]);
  expect(rampSizes(ramp)).toEqual([16, 48, 32]);
});

test("steps of a growing batch are counted up to a number of them, or of samples", () => {
  const ramp = { start: 2, increment: 2, samples: 12, full: 6 };
  // 2 2 2 4 4, then 6 each.
  expect(countRampedSteps(ramp, { steps: 4 })).toEqual({ steps: 4, samples: 10 });
  expect(countRampedSteps(ramp, { steps: 8 })).toEqual({ steps: 8, samples: 32 });
  expect(countRampedSteps(ramp, { samples: 33 })).toEqual({ steps: 9, samples: 38 });
  expect(countRampedSteps(ramp, { samples: 33, steps: 6 })).toEqual({ steps: 6, samples: 20 });
});

test("steps do not pass for samples", () => {
  const ramp = { start: 16, increment: 8, samples: 300, full: 40 };
  const [samples, steps]: [Quantity<"samples">, Quantity<"steps">] = [100, 100];
  expect(rampedBatch(ramp, samples)).toBe(24);
  // @ts-expect-error: Quantity<"steps"> is not assignable to Quantity<"samples">
  expect(rampedBatch(ramp, steps)).toBe(24);
});
