// Schedules by name, as configurations and flags give them: warm-up, then one of the decays below.

import { cosine, linear } from "./decay.js";
import { inverseSquareRoot } from "./inverse_square_root.js";
import {
  constant,
  sequence,
  warmup,
  type LearningRateSchedule,
  type Phase,
  type WarmupCurve,
} from "./schedule.js";
import { stableDecay, type WsdDecayStyle } from "./wsd.js";

/** All lengths in steps, or in samples where the run counts those. */
export interface DecayConfig {
  /** The highest rate, reached at the end of warm-up. */
  readonly peak: number;
  /** Where decay ends. */
  readonly floor: number;
  /** Over which the rate rises. */
  readonly warmup: number;
  /** Where the rate begins to rise. Default: 0. */
  readonly warmupStart?: number;
  /** Default: "linear". */
  readonly warmupCurve?: WarmupCurve;
  /** Where decay begins, counted from the start of training; it cuts a longer warm-up. Default: `warmup`. */
  readonly decayStart?: number;
  /** Where decay ends, counted from the start of training. The rate stays at the floor from then on. */
  readonly total: number;
  /** Of WSD: length of its last phase. Default: a tenth of `total`. */
  readonly decayLength?: number;
  /** Of WSD: curve of its last phase. Default: "exponential". */
  readonly decayCurve?: WsdDecayStyle;
}

/** The phases that follow warm-up, which are to take `length`. */
type Decay = (config: DecayConfig, length: number) => readonly Phase[];

/** By Megatron-LM's names. */
const DECAYS = {
  constant: ({ peak }) => [constant(peak)],
  linear: ({ peak, floor }, length) => [linear({ from: peak, to: floor, length })],
  cosine: ({ peak, floor }, length) => [cosine({ from: peak, to: floor, length })],
  "inverse-square-root": ({ peak, floor, warmup }, length) => [
    inverseSquareRoot({ from: peak, floor, warmup, length }),
    constant(floor),
  ],
  WSD: stableDecay,
} as const satisfies Record<string, Decay>;

/** Names of decays, which are Megatron-LM's. */
export type DecayStyle = keyof typeof DECAYS;

/** All of them, as flags offer them. */
export const decayStyles = Object.keys(DECAYS) as DecayStyle[];

/** A schedule as data. */
export interface ScheduleConfig extends DecayConfig {
  readonly kind: DecayStyle;
}

/** Warm-up, then the decay that `config` names. */
export function createSchedule({ kind, ...config }: ScheduleConfig): LearningRateSchedule {
  const { peak, warmup: length, warmupStart: from = 0, warmupCurve: curve = "linear" } = config;
  const { total, decayStart = length } = config;
  const decay: Decay = DECAYS[kind];
  return sequence([
    { ...warmup(peak, length, { from, curve }), length: Math.min(length, decayStart) },
    constant(peak, Math.max(0, decayStart - length)),
    ...decay(config, Math.max(0, total - decayStart)),
  ]);
}
