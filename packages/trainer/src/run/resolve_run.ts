// The sizes of a run for a number of ranks, from its configuration alone.

import { UserError, type BatchPlan, type BatchRamp } from "@tessera/config";
import { resolveParallel, type ResolvedParallel } from "../parallel_config.js";
import { resolveBatchSize, resolveDuration, sizesOf, type ResolvedDuration } from "./batch_size.js";
import type { RunConfig } from "./run_config.js";

export interface ResolvedRun {
  readonly parallel: ResolvedParallel;
  /** The batch when it is full. */
  readonly batch: BatchPlan;
  readonly ramp: BatchRamp;
  readonly duration: ResolvedDuration;
}

/**
 * `dataRanks` see different samples. Default: those of the data axis.
 * @throws UserError where sizes contradict each other, or do not make `ranks`.
 */
export function resolveRun(
  config: Pick<RunConfig, "model" | "parallel" | "batch" | "duration">,
  ranks: number,
  dataRanks?: number,
): ResolvedRun {
  const parallel = resolveParallel(config.parallel ?? {}, ranks, config.model.layerCount);
  const { full, ramp } = resolveBatchSize(config.batch, dataRanks ?? parallel.data);
  const duration = resolveDuration(config.duration, ramp);
  refuseUneven(parallel, full, ramp);
  return { parallel, batch: full, ramp, duration };
}

/** The interleaved schedule takes microbatches in groups of as many as there are stages. */
function refuseUneven(
  { schedule, pipeline }: ResolvedParallel,
  { microBatch, dataRanks }: BatchPlan,
  ramp: BatchRamp,
): void {
  if (schedule !== "interleaved") return;
  for (const size of sizesOf(ramp)) {
    const microbatches = size / (microBatch * dataRanks);
    if (microbatches % pipeline === 0) continue;
    throw new UserError(
      `a global batch of ${size}: is ${microbatches} micro-batches, which the interleaved schedule takes in ` +
        `groups of ${pipeline}, one for each stage`,
    );
  }
}
