// Everything about a training run that is decided before its first step, on this rank.

import { rampedBatch, resolveBatch, type BatchPlan, type BatchRamp } from "@tessera/config";
import type { Quantity } from "@tessera/config/units";
import type { Feed } from "@tessera/data";
import type { Tree } from "@tessera/params";
import type { LossScaleOptions, Optimizer } from "@tessera/optim";
import type { LearningRateSchedule, ScheduleConfig } from "@tessera/optim/schedules";
import type { Parallelized } from "./parallelize.js";

/** What a rank does in each step: its chunk of the model, its axes, optimizer, schedule and batch. */
export interface TrainingPlan<P extends Tree = Tree> extends Parallelized<P> {
  readonly optimizer: Optimizer;
  /** Learning rate by progress: as data, which checkpoints then have, or a function of one's own. */
  readonly schedule: ScheduleConfig | LearningRateSchedule;
  /** Unit of the schedule's progress. Default: "steps". */
  readonly scheduleUnit?: "steps" | "samples";
  /** The batch when it is full. */
  readonly batch: BatchPlan;
  /** How it grows to that. Default: it is full from the start. */
  readonly ramp?: BatchRamp;
  /** The largest norm of all gradients together; 0 for no limit. */
  readonly clipNorm: number;
  /** How losses are scaled, for models with fp16 activations; null for not at all. */
  readonly lossScaling: LossScaleOptions | null;
  readonly seed: number;
  readonly train: Feed;
  /** What validation goes through; null for none. */
  readonly validation: Feed | null;
  /** Rows per evaluation batch. */
  readonly evalBatch: Quantity<"samples">;
  readonly intervals: Intervals;
  /** Whether lines of figures have a hash of the weights. Default: false. */
  readonly hashWeights?: boolean;
}

/** All in optimizer steps; 0 for never. The last step is always logged, evaluated and saved. */
export interface Intervals {
  readonly steps: Quantity<"steps">;
  readonly logging: Quantity<"steps">;
  readonly evaluation: Quantity<"steps">;
  readonly saving: Quantity<"steps">;
  /** Between checks that all ranks hold the same weights. */
  readonly replicaCheck?: Quantity<"steps">;
}

/** The batch of the step that comes after `consumed` samples. */
export function batchAfter(
  { batch, ramp }: Pick<TrainingPlan, "batch" | "ramp">,
  consumed: Quantity<"samples">,
): BatchPlan {
  if (ramp === undefined) return batch;
  const globalBatch = rampedBatch(ramp, consumed);
  const { microBatch, dataRanks } = batch;
  const accumulation = globalBatch / (microBatch * dataRanks);
  return resolveBatch({ microBatch, dataRanks, accumulation, globalBatch });
}

/** Whether something due every `interval` steps is due after `step` of `steps`. */
export const isDue = (
  interval: Quantity<"steps">,
  step: Quantity<"steps">,
  steps: Quantity<"steps">,
): boolean => step === steps || (interval > 0 && step % interval === 0);
