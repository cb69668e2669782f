// The inverse square root of progress (Vaswani et al., 2017), by Megatron-LM's rule.

import type { Phase } from "./schedule.js";

/** Of an inverse square root. */
export interface InverseSquareRootOptions {
  readonly from: number;
  /** The rate never falls below it. */
  readonly floor: number;
  /** Steps (or samples) before this phase, which the root counts too. */
  readonly warmup: number;
  readonly length: number;
}

/** `from` at its start; a quarter of that once sixteen times the warm-up is done. */
export const inverseSquareRoot = ({
  from,
  floor,
  warmup,
  length,
}: InverseSquareRootOptions): Phase => ({
  length,
  rate(progress) {
    const done = Math.max(1, warmup + progress);
    return Math.max(floor, from * Math.sqrt(Math.max(1, warmup) / done));
  },
});
