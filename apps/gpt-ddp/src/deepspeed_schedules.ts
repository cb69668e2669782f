// DeepSpeed's schedules, which count steps in their own way: the rate of step n is that of its scheduler after n steps.

import { UserError } from "@tessera/config";
import type { DecayStyle, ScheduleConfig } from "@tessera/optim/schedules";

/** Reads an argument's value, for what it changes. @throws UserError that ends the sentence "NAME is VALUE, ...". */
export type ReadArgument = (value: unknown, schedule: ScheduleConfig) => Partial<ScheduleConfig>;

export const DEEPSPEED_STYLES = {
  WarmupLR: "constant",
  WarmupDecayLR: "linear",
  WarmupCosineLR: "cosine",
} as const satisfies Record<string, DecayStyle>;

type DeepSpeedType = keyof typeof DEEPSPEED_STYLES;

/** Whether `type` is one of DeepSpeed's. */
export const isDeepSpeedType = (type: string): type is DeepSpeedType =>
  Object.hasOwn(DEEPSPEED_STYLES, type);

/** Where cosine ends if nobody says, as a part of the peak. */
const COSINE_END = 0.0001;

/**
 * `schedule` as DeepSpeed runs it where no arguments are given: it rises by the logarithm, so that its last step of
 * warm-up has the peak, and its cosine is a step ahead.
 * @throws UserError where it does not warm up, which it must.
 */
export function countAsDeepSpeed(type: DeepSpeedType, schedule: ScheduleConfig): ScheduleConfig {
  if (schedule.warmup < 1) {
    throw new UserError(`--lr_scheduler_type ${type}: needs a warm-up of 1 step or more`);
  }
  const steps = Math.max(2, schedule.warmup);
  const isCosine = type === "WarmupCosineLR";
  return {
    ...schedule,
    floor: isCosine ? COSINE_END * schedule.peak : 0,
    warmup: steps - 1,
    warmupCurve: "log",
    decayStart: isCosine ? steps - 1 : steps,
    total: isCosine ? schedule.total - 1 : schedule.total,
  };
}

const readPart =
  (change: (value: number, peak: number) => Partial<ScheduleConfig>): ReadArgument =>
  (value, { peak }) => {
    if (typeof value === "number" && value >= 0) return change(value, peak);
    throw new UserError("must be a number, at least 0");
  };

const warmupType: ReadArgument = (value, { warmup }) => {
  if (value === "log") return {};
  if (value === "linear") return { warmupCurve: "linear", warmup: warmup + 1 };
  throw new UserError("must be log or linear");
};

const fromRate: Readonly<Record<string, ReadArgument>> = {
  warmup_type: warmupType,
  warmup_min_lr: readPart((rate) => ({ warmupStart: rate, floor: rate })),
};

/** What they take in --lr_scheduler_kwargs, but what a flag says. */
export const DEEPSPEED_ARGUMENTS = {
  WarmupLR: fromRate,
  WarmupDecayLR: fromRate,
  WarmupCosineLR: {
    warmup_type: warmupType,
    warmup_min_ratio: readPart((ratio, peak) => ({ warmupStart: ratio * peak })),
    cos_min_ratio: readPart((ratio, peak) => ({ floor: ratio * peak })),
  },
} as const satisfies Record<DeepSpeedType, Readonly<Record<string, ReadArgument>>>;
