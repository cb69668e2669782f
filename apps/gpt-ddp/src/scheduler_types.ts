// Learning-rate schedules by Hugging Face's names, and their arguments.

import { UserError } from "@tessera/config";
import type { DecayStyle, WsdDecayStyle } from "@tessera/optim/schedules";
import { DEEPSPEED_ARGUMENTS, DEEPSPEED_STYLES, type ReadArgument } from "./deepspeed_schedules.js";

/** Values of --lr_scheduler_type, each after a warm-up. */
export const DECAY_STYLES = {
  constant: "constant",
  constant_with_warmup: "constant",
  linear: "linear",
  cosine: "cosine",
  cosine_with_restarts: "cosine",
  cosine_with_min_lr: "cosine",
  polynomial: "linear",
  inverse_sqrt: "inverse-square-root",
  warmup_stable_decay: "WSD",
  ...DEEPSPEED_STYLES,
} as const satisfies Record<string, DecayStyle>;

export type SchedulerType = keyof typeof DECAY_STYLES;

export const schedulerTypes = Object.keys(DECAY_STYLES) as SchedulerType[];

const only =
  (wanted: unknown, why: string): ReadArgument =>
  (value) => {
    if (value === wanted) return {};
    throw new UserError(`must be ${JSON.stringify(wanted)}: ${why}`);
  };

const floorOf =
  (read: (value: number, peak: number) => number): ReadArgument =>
  (value, { peak }) => {
    if (typeof value !== "number" || !(value >= 0))
      throw new UserError("must be a number, at least 0");
    return { floor: Math.min(read(value, peak), peak) };
  };

const rate = floorOf((value) => value);
const rateOfPeak = floorOf((value, peak) => value * peak);
const HALF_A_CYCLE = only(0.5, "half a cosine is the only one there is");

/** Values of decay_type of transformers' get_wsd_schedule. */
const CURVES: Readonly<Record<string, WsdDecayStyle>> = {
  cosine: "cosine",
  linear: "linear",
  "1-sqrt": "minus_sqrt",
};

const decayCurve: ReadArgument = (value) => {
  if (typeof value === "string" && Object.hasOwn(CURVES, value))
    return { decayCurve: CURVES[value]! };
  throw new UserError("must be cosine, linear or 1-sqrt");
};

const decayLength: ReadArgument = (value, { total }) => {
  if (typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= total) {
    return { decayLength: value };
  }
  throw new UserError(`must be a whole number from 1 to --max_steps ${total}`);
};

/** What transformers' schedules take in --lr_scheduler_kwargs, but what a flag says. */
export const SCHEDULER_ARGUMENTS: Readonly<
  Record<SchedulerType, Readonly<Record<string, ReadArgument>>>
> = {
  constant: {},
  constant_with_warmup: {},
  linear: {},
  cosine: { num_cycles: HALF_A_CYCLE },
  cosine_with_restarts: { num_cycles: only(1, "there are no restarts") },
  cosine_with_min_lr: { num_cycles: HALF_A_CYCLE, min_lr: rate, min_lr_rate: rateOfPeak },
  polynomial: { power: only(1, "a straight line is the only one there is"), lr_end: rate },
  inverse_sqrt: {},
  warmup_stable_decay: {
    num_decay_steps: decayLength,
    decay_type: decayCurve,
    min_lr_ratio: only(0, "transformers would warm up from it too"),
    num_cycles: HALF_A_CYCLE,
    warmup_type: only("linear", "warm-up is a straight line"),
  },
  ...DEEPSPEED_ARGUMENTS,
};
