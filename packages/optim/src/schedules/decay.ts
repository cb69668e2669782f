// Decays from one rate to another that differ only in their curve.

import type { Phase } from "./schedule.js";

/** Where a decay begins and ends. */
export interface DecayOptions {
  /** The rate at its start. */
  readonly from: number;
  /** The rate at its end. */
  readonly to: number;
  /** Steps (or samples) after which the rate is `to`. */
  readonly length: number;
}

/** What is left of a decay after `fraction` of it: 1 at 0, 0 at 1. */
type Curve = (fraction: number) => number;

const decay =
  (curve: Curve) =>
  ({ from, to, length }: DecayOptions): Phase => ({
    length,
    rate(progress) {
      const fraction = length === 0 ? 1 : Math.min(1, progress / length);
      return to + (from - to) * curve(fraction);
    },
  });

/** A straight line. */
export const linear = decay((fraction) => 1 - fraction);

/** Half a cosine (Loshchilov and Hutter, 2017), without restarts. */
export const cosine = decay((fraction) => (1 + Math.cos(Math.PI * fraction)) / 2);

/** 2 x 0.5^fraction - 1: the default of Megatron-LM's WSD. */
export const exponential = decay((fraction) => 2 * 0.5 ** fraction - 1);

/** 1 - sqrt: fast at first (Haegele et al., 2024). */
export const minusSqrt = decay((fraction) => 1 - Math.sqrt(fraction));
