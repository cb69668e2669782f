// How long a run is, how its batch grows, and how its learning rate follows: in steps or in samples.

import { rampedBatch, resolveBatch, UserError, type BatchRamp } from "@tessera/config";
import type { ScheduleConfig } from "@tessera/optim";
import type { Flags } from "./flags.js";
import { needed } from "./model.js";

export interface LengthConfig {
  readonly microBatch: number;
  readonly ramp: BatchRamp;
  /** What the run's length and its learning rate are counted in. */
  readonly unit: "steps" | "samples";
  /** Of the whole run, and what they take together. */
  readonly steps: number;
  readonly samples: number;
  readonly schedule: ScheduleConfig;
}

export function lengthOf(flags: Flags, data: number): LengthConfig {
  const microBatch = needed(flags, "micro-batch-size");
  const { "train-iters": iterations, "train-samples": samples } = flags;
  if ((iterations === undefined) === (samples === undefined)) {
    throw new UserError("--train-iters, --train-samples: give one of them");
  }
  const unit = samples === undefined ? "steps" : "samples";
  refuseOtherUnit(flags, unit);
  const ramp = rampOf(flags, microBatch * data);
  return {
    microBatch,
    ramp,
    unit,
    ...(samples === undefined
      ? { steps: iterations!, samples: iterations! * ramp.full }
      : walked(ramp, samples)),
    schedule: scheduleOf(flags, unit, samples ?? iterations!),
  };
}

/** Flags that count in steps do not go with a run that is counted in samples. */
function refuseOtherUnit(flags: Flags, unit: LengthConfig["unit"]): void {
  const names =
    unit === "steps"
      ? (["lr-decay-samples", "lr-wsd-decay-samples", "lr-warmup-samples"] as const)
      : (["lr-decay-iters", "lr-wsd-decay-iters", "lr-warmup-iters"] as const);
  const wrong = names.find((name) => flags[name] !== undefined && flags[name] !== 0);
  if (wrong !== undefined) {
    throw new UserError(`--${wrong}: the run is counted in ${unit}; give that in ${unit} too`);
  }
  if (unit === "steps" && flags["rampup-batch-size"].length > 0) {
    throw new UserError(
      "--rampup-batch-size: goes with --train-samples, as steps then differ in size",
    );
  }
}

function rampOf(flags: Flags, together: number): BatchRamp {
  const accumulation = flags["gradient-accumulation-steps"];
  const full = flags["global-batch-size"] ?? together * (accumulation ?? 1);
  if (accumulation !== undefined && full !== together * accumulation) {
    throw new UserError(
      `a global batch of ${full}: is micro-batch x data ranks, ${together}, x ${full / together} ` +
        `micro-batches, but --gradient-accumulation-steps is ${accumulation}; change one of them`,
    );
  }
  const said = flags["rampup-batch-size"];
  const numbers = said.map(Number);
  const isRight = numbers.every((each) => Number.isSafeInteger(each) && each > 0);
  if (said.length > 0 && (said.length !== 3 || !isRight)) {
    throw new UserError(`--rampup-batch-size ${said.join(" ")}: must be START INCREMENT SAMPLES`);
  }
  const [start = full, increment = 1, samples = 0] = numbers;
  const ramp: BatchRamp = { start, increment, samples, full };
  if (start > full || (full - start) % increment !== 0) {
    throw new UserError(
      `--rampup-batch-size ${said.join(" ")}: increments of ${increment} do not lead from ${start} to ` +
        `--global-batch-size ${full}`,
    );
  }
  for (const size of sizesOf(ramp)) {
    if (size % together === 0) continue;
    throw new UserError(
      `a global batch of ${size}: must be a multiple of micro-batch x data ranks, ${together}`,
    );
  }
  return ramp;
}

/** Every size that a global batch has on its way. */
export const sizesOf = ({ start, increment, full }: BatchRamp): number[] =>
  Array.from({ length: (full - start) / increment + 1 }, (_, i) => start + i * increment);

/** The steps that take at least `total` samples, and how many they take. */
function walked(ramp: BatchRamp, total: number): Pick<LengthConfig, "steps" | "samples"> {
  let [steps, consumed] = [0, 0];
  while (consumed < total && consumed <= ramp.samples) {
    consumed += rampedBatch(ramp, consumed);
    steps += 1;
  }
  const more = Math.ceil(Math.max(0, total - consumed) / ramp.full);
  return { steps: steps + more, samples: consumed + more * ramp.full };
}

/** The batch when it is full. */
export const fullBatch = ({ microBatch, ramp: { full } }: LengthConfig, data: number) =>
  resolveBatch({ microBatch, accumulation: full / (microBatch * data), dataRanks: data });

function scheduleOf(flags: Flags, unit: LengthConfig["unit"], total: number): ScheduleConfig {
  const isSteps = unit === "steps";
  const decay = flags[isSteps ? "lr-decay-iters" : "lr-decay-samples"] ?? total;
  const said = flags[isSteps ? "lr-warmup-iters" : "lr-warmup-samples"];
  const fraction = flags["lr-warmup-fraction"];
  if (fraction !== undefined && said > 0) {
    throw new UserError(
      "--lr-warmup-fraction: says again how long the rate rises; drop one of the flags",
    );
  }
  const warmup = fraction === undefined ? said : fraction * decay;
  if (warmup >= decay) {
    throw new UserError(
      `the learning rate rises over ${warmup} ${unit}: must be below its decay's ${decay}`,
    );
  }
  const [peak, floor] = [needed(flags, "lr"), flags["min-lr"]];
  if (floor > peak) throw new UserError(`--min-lr ${floor}: is above --lr ${peak}`);
  const kind = flags["lr-decay-style"];
  const schedule: ScheduleConfig = { kind, peak, floor, warmup, total: decay };
  if (kind !== "WSD") return schedule;
  const decayLength = needed(flags, isSteps ? "lr-wsd-decay-iters" : "lr-wsd-decay-samples");
  if (warmup + decayLength > decay) {
    throw new UserError(
      `the learning rate decays over the last ${decayLength} ${unit}: must fit behind its rise over ` +
        `${warmup} in its decay's ${decay}`,
    );
  }
  return { ...schedule, decayLength, decayCurve: flags["lr-wsd-decay-style"] };
}
