// How long a run is, how its batch grows, and how its learning rate follows: in steps or in samples.

import { rampedBatch, UserError, type BatchRamp } from "@tessera/config";
import type { Degrees } from "@tessera/mesh";
import type { Schedule } from "@tessera/optim";
import type { Flags } from "./flags.js";
import { needed } from "./model.js";

export interface LengthConfig {
  readonly microBatch: number;
  readonly ramp: BatchRamp;
  /** What the run's length and its learning rate are counted in. */
  readonly unit: "steps" | "samples";
  readonly total: number;
  readonly schedule: Schedule;
}

export function lengthOf(flags: Flags, { data }: Degrees): LengthConfig {
  const microBatch = needed(flags, "micro-batch-size");
  const { "train-iters": iterations, "train-samples": samples } = flags;
  if ((iterations === undefined) === (samples === undefined)) {
    throw new UserError("--train-iters, --train-samples: give one of them");
  }
  const unit = samples === undefined ? "steps" : "samples";
  refuseOtherUnit(flags, unit);
  const total = samples ?? iterations!;
  return {
    microBatch,
    ramp: rampOf(flags, microBatch * data),
    unit,
    total,
    schedule: scheduleOf(flags, unit, total),
  };
}

/** Flags that count in steps do not go with a run that is counted in samples. */
function refuseOtherUnit(flags: Flags, unit: LengthConfig["unit"]): void {
  const names =
    unit === "steps"
      ? (["lr-decay-samples", "lr-warmup-samples"] as const)
      : (["lr-decay-iters", "lr-warmup-iters"] as const);
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
  const full = flags["global-batch-size"] ?? together;
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
  for (let size = start; size <= full; size += increment) {
    if (size % together === 0) continue;
    throw new UserError(
      `a global batch of ${size}: must be a multiple of micro-batch x data ranks, ${together}`,
    );
  }
  return ramp;
}

function scheduleOf(flags: Flags, unit: LengthConfig["unit"], total: number): Schedule {
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
  return { kind: flags["lr-decay-style"], peak, floor, warmup, total: decay };
}

/** The steps of the whole run. */
export function stepsOf({ unit, total, ramp }: LengthConfig): number {
  if (unit === "steps") return total;
  let [steps, consumed] = [0, 0];
  while (consumed < total && consumed <= ramp.samples) {
    consumed += rampedBatch(ramp, consumed);
    steps += 1;
  }
  return steps + Math.ceil(Math.max(0, total - consumed) / ramp.full);
}
