// What bare loops say of this machine.

import { expect, test } from "@jest/globals";
import { isAvailable, measureLimits } from "./backend.js";
import { thisMachine } from "./machine.js";

(isAvailable() ? test : test.skip)("limits are of the units that the processor has", () => {
  const limits = measureLimits({ OMP_NUM_THREADS: "1" })!;
  const { fp32, bf16, bandwidth } = limits;
  expect([fp32, bandwidth].every((value) => value > 0 && Number.isFinite(value))).toBe(true);
  expect(bf16 > 0).toBe(thisMachine().flags.has("avx512_bf16"));
});
