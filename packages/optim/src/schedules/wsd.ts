// Warmup-stable-decay (Hu et al., 2024): the rate stays at its peak for most of the run, which can therefore
// be extended from a checkpoint, and decays in a short last phase.

import { cosine, exponential, linear, minusSqrt } from "./decay.js";
import { constant, type Phase } from "./schedule.js";

/** Curves of the last phase, by Megatron-LM's names. */
const CURVES = { exponential, linear, cosine, minus_sqrt: minusSqrt } as const;

/** Names of WSD's curves. */
export type WsdDecayStyle = keyof typeof CURVES;

/** All of them, as flags offer them. */
export const wsdDecayStyles = Object.keys(CURVES) as WsdDecayStyle[];

/** Of WSD, all lengths in steps or samples. */
export interface WsdOptions {
  /** The rate of the stable phase. */
  readonly peak: number;
  /** The rate at the end of the decay. */
  readonly floor: number;
  /** Of the whole run. */
  readonly total: number;
  /** Of the last phase. Default: a tenth of `total`. */
  readonly decayLength?: number;
  /** Default: "exponential". */
  readonly decayCurve?: WsdDecayStyle;
}

/** The two phases that follow warm-up and take `length` together. */
export function stableDecay(
  { peak, floor, total, decayLength = total / 10, decayCurve = "exponential" }: WsdOptions,
  length: number,
): readonly Phase[] {
  const decay = Math.min(decayLength, length);
  return [
    constant(peak, length - decay),
    CURVES[decayCurve]({ from: peak, to: floor, length: decay }),
  ];
}
