// How many samples a step takes and a run takes in all, from what is asked for.

import {
  countRampedSteps,
  rampSizes,
  resolveBatch,
  UserError,
  type BatchPlan,
  type BatchRamp,
} from "@tessera/config";
import type { Quantity } from "@tessera/config/units";
import type { BatchConfig, Duration } from "./run_config.js";

/** The batch when it is full, and how it grows to that. */
export interface ResolvedBatch {
  readonly full: BatchPlan;
  readonly ramp: BatchRamp;
}

/** @throws UserError where sizes contradict each other. */
export function resolveBatchSize(
  { micro, accumulation, global, ramp }: BatchConfig,
  dataRanks: number,
): ResolvedBatch {
  const together = micro * dataRanks;
  const globalBatch = global ?? together * (accumulation ?? 1);
  if (accumulation !== undefined && globalBatch !== together * accumulation) {
    throw new UserError(
      `a global batch of ${globalBatch}: is micro-batch x data ranks, ${together}, x ` +
        `${globalBatch / together} micro-batches, but ${accumulation} are accumulated; change one of them`,
    );
  }
  const grown = rampTo(globalBatch, ramp);
  for (const size of rampSizes(grown)) {
    if (size % together === 0) continue;
    throw new UserError(
      `a global batch of ${size}: must be a multiple of micro-batch x data ranks, ${together}`,
    );
  }
  const full = resolveBatch({ microBatch: micro, accumulation: globalBatch / together, dataRanks });
  return { full, ramp: grown };
}

function rampTo(full: number, ramp: BatchConfig["ramp"]): BatchRamp {
  if (ramp === undefined) return { start: full, increment: 1, samples: 0, full };
  if ("stages" in ramp) {
    const { size } = ramp.stages.at(-1) ?? {};
    if (size === full) return { ...ramp, full };
    throw new UserError(`a batch whose last stage is ${size}: is not the global batch of ${full}`);
  }
  const { start, increment } = ramp;
  if (start <= full && (full - start) % increment === 0) return { ...ramp, full };
  throw new UserError(
    `a batch that grows from ${start} by ${increment}: never is the global batch of ${full}`,
  );
}

/** Steps of a whole run, and the samples that they take. */
export interface ResolvedDuration {
  readonly steps: Quantity<"steps">;
  readonly samples: Quantity<"samples">;
}

/** @throws UserError where steps are counted while the batch grows. */
export function resolveDuration(duration: Duration, ramp: BatchRamp): ResolvedDuration {
  if ("samples" in duration) return countRampedSteps(ramp, duration);
  if (rampSizes(ramp).some((size) => size !== ramp.full)) {
    throw new UserError(
      "a batch that grows: goes with a duration in samples, as steps then differ in size",
    );
  }
  return { steps: duration.steps, samples: duration.steps * ramp.full };
}
