// How many samples a step takes and a run takes in all, from what is asked for.

import {
  rampedBatch,
  resolveBatch,
  UserError,
  type BatchPlan,
  type BatchRamp,
} from "@tessera/config";
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
  const { start, increment, samples } = ramp ?? { start: globalBatch, increment: 1, samples: 0 };
  if (start > globalBatch || (globalBatch - start) % increment !== 0) {
    throw new UserError(
      `a batch that grows from ${start} by ${increment}: never is the global batch of ${globalBatch}`,
    );
  }
  const grown: BatchRamp = { start, increment, samples, full: globalBatch };
  for (const size of sizesOf(grown)) {
    if (size % together === 0) continue;
    throw new UserError(
      `a global batch of ${size}: must be a multiple of micro-batch x data ranks, ${together}`,
    );
  }
  const full = resolveBatch({ microBatch: micro, accumulation: globalBatch / together, dataRanks });
  return { full, ramp: grown };
}

/** Every size that a global batch has on its way. */
export const sizesOf = ({ start, increment, full }: BatchRamp): number[] =>
  Array.from({ length: (full - start) / increment + 1 }, (_, i) => start + i * increment);

/** Steps of a whole run, and the samples that they take. */
export interface ResolvedDuration {
  readonly steps: number;
  readonly samples: number;
}

/** @throws UserError where steps are counted while the batch grows. */
export function resolveDuration(duration: Duration, ramp: BatchRamp): ResolvedDuration {
  if ("samples" in duration) return countSteps(ramp, duration.samples);
  if (ramp.start !== ramp.full) {
    throw new UserError(
      "a batch that grows: goes with a duration in samples, as steps then differ in size",
    );
  }
  return { steps: duration.steps, samples: duration.steps * ramp.full };
}

/** The steps that take at least `total` samples, and how many they take. */
function countSteps(ramp: BatchRamp, total: number): ResolvedDuration {
  let [steps, consumed] = [0, 0];
  while (consumed < total && consumed <= ramp.samples) {
    consumed += rampedBatch(ramp, consumed);
    steps += 1;
  }
  const more = Math.ceil(Math.max(0, total - consumed) / ramp.full);
  return { steps: steps + more, samples: consumed + more * ramp.full };
}
