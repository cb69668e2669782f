// The sizes of a run for a number of ranks, from its configuration alone.

import { rampSizes, UserError, type BatchPlan, type BatchRamp } from "@tessera/config";
import { checkSchedule } from "@tessera/pipeline-parallel";
import { resolveParallel, type ResolvedParallel } from "../parallel_config.js";
import { resolveBatchSize, resolveDuration, type ResolvedDuration } from "./batch_size.js";
import type { RunConfig } from "./run_config.js";

type CountedParts = "parallel" | "batch" | "duration";

/** The sizes of a run, with all defaults filled in and all contradictions refused. */
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
  config: Pick<RunConfig, "model" | CountedParts>,
  ranks: number,
  dataRanks?: number,
): ResolvedRun {
  checkCounts(config);
  const parallel = resolveParallel(config.parallel ?? {}, ranks, config.model.layerCount);
  const { full, ramp } = resolveBatchSize(config.batch, dataRanks ?? parallel.data);
  const duration = resolveDuration(config.duration, ramp);
  const { pipeline: stages, chunks, schedule } = parallel;
  for (const size of rampSizes(ramp)) {
    const microbatches = size / (full.microBatch * full.dataRanks);
    checkSchedule(schedule, { stages, chunks, microbatches });
  }
  return { parallel, batch: full, ramp, duration };
}

function countsOf(ramp: RunConfig["batch"]["ramp"]): Readonly<Record<string, number>> {
  if (ramp === undefined) return {};
  if (!("stages" in ramp)) {
    return { "batch.ramp.start": ramp.start, "batch.ramp.increment": ramp.increment };
  }
  return Object.fromEntries(ramp.stages.map(({ size }, i) => [`batch.ramp.stages[${i}]`, size]));
}

/** Counts that are zero or broken would divide ranks and samples into nothing. */
function checkCounts({ parallel = {}, batch, duration }: Pick<RunConfig, CountedParts>): void {
  const { tensor, pipeline, chunks, axes = [] } = parallel;
  const { micro, accumulation, global, ramp } = batch;
  const counts: Readonly<Record<string, number | undefined>> = {
    ...Object.fromEntries(axes.map(({ name, degree }) => [`parallel ${name}`, degree])),
    ...{ "parallel.tensor": tensor, "parallel.pipeline": pipeline, "parallel.chunks": chunks },
    ...{ "batch.micro": micro, "batch.accumulation": accumulation, "batch.global": global },
    ...countsOf(ramp),
    ...("samples" in duration
      ? { "duration.samples": duration.samples }
      : { "duration.steps": duration.steps }),
  };
  for (const [name, count] of Object.entries(counts)) {
    if (count === undefined || (Number.isSafeInteger(count) && count >= 1)) continue;
    throw new UserError(`${name} ${count}: must be a whole number, at least 1`);
  }
}
