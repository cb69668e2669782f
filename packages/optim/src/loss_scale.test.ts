import { describe, expect, test } from "@jest/globals";
import { initialLossScale, nextLossScale, type LossScaleOptions } from "./index.js";

const options: LossScaleOptions = { initial: 64, minimum: 4, window: 3, hysteresis: 2 };

/** The scales of steps that do (x) or do not (.) overflow, the first one's included. */
function scales(steps: string, of = options): number[] {
  let now = initialLossScale(of);
  return [
    now.scale,
    ...Array.from(steps).map(
      (step) => (now = nextLossScale(of, now, { samples: 3, overflowed: step === "x" })).scale,
    ),
  ];
}

describe("a loss scale", () => {
  test.each<[string, string, number[]]>([
    ["doubles after a window without overflow", "......", [64, 64, 64, 128, 128, 128, 256]],
    ["bears one overflow, then halves at each", "xxx", [64, 64, 32, 16]],
    ["counts the window from the last overflow", "..x...", [64, 64, 64, 64, 64, 64, 128]],
    ["is patient again after it doubled", "x...x", [64, 64, 64, 64, 128, 128]],
    ["is not patient before that", "x.x", [64, 64, 64, 32]],
    ["never falls below the minimum", "xxxxxxxx", [64, 64, 32, 16, 8, 4, 4, 4, 4]],
  ])("%s", (_name, steps, expected) => {
    expect(scales(steps)).toEqual(expected);
  });

  test("halves at once where no overflow is borne", () => {
    expect(scales("x", { ...options, hysteresis: 1 })).toEqual([64, 32]);
  });

  test("counts the steps that were left out, and their samples", () => {
    let now = initialLossScale(options);
    expect(now).toMatchObject({ skippedSteps: 0, skippedSamples: 0 });
    Array.from("x.xx.").forEach((step, i) => {
      now = nextLossScale(options, now, { samples: 3 + i, overflowed: step === "x" });
    });
    expect(now).toMatchObject({ skippedSteps: 3, skippedSamples: 3 + 5 + 6 });
  });
});
