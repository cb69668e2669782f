// What a training run is made of: everything that is decided before the first step.

import { rampedBatch, type BatchPlan, type BatchRamp } from "@tessera/config";
import type { Feed } from "@tessera/data";
import type { DataParallel } from "@tessera/data-parallel";
import type { GptParams, GptStage } from "@tessera/gpt";
import type { LossScaleOptions, Optimizer, Schedule } from "@tessera/optim";
import type { PipelineAxis } from "@tessera/pipeline-parallel";
import type { TensorAxis } from "@tessera/tensor-parallel";

export interface TrainingPlan {
  /** What this rank holds of the model. */
  readonly model: GptStage;
  readonly optimizer: Optimizer;
  readonly schedule: Schedule;
  /** What the schedule counts: steps, unless it is said. */
  readonly scheduleUnit?: "steps" | "samples";
  /** The batch when it is full. */
  readonly batch: BatchPlan;
  /** How it grows to that; absent where it is full from the start. */
  readonly ramp?: BatchRamp;
  /** How the ranks that see different samples share weights, gradients and moments. */
  readonly dataParallel: DataParallel<GptParams>;
  /** What the ranks that share each layer do together, of which `dataParallel` is the part of one. */
  readonly tensor: TensorAxis;
  /** What the stages of the model do together. */
  readonly pipeline: PipelineAxis;
  /** The largest norm of all gradients together; 0 for no limit. */
  readonly clipNorm: number;
  /** How losses are scaled, for models with fp16 activations; null for not at all. */
  readonly lossScaling: LossScaleOptions | null;
  readonly seed: number;
  readonly train: Feed;
  /** What validation goes through; null for none. */
  readonly validation: Feed | null;
  /** Rows per evaluation batch. */
  readonly evalBatch: number;
  readonly intervals: Intervals;
}

/** All in optimizer steps; 0 for never. The last step is always logged, evaluated and saved. */
export interface Intervals {
  readonly steps: number;
  readonly logging: number;
  readonly evaluation: number;
  readonly saving: number;
  /** Between checks that all ranks hold the same weights. */
  readonly replicaCheck?: number;
}

/** The batch of the step that comes after `consumed` samples. */
export function batchAfter({ batch, ramp }: TrainingPlan, consumed: number): BatchPlan {
  if (ramp === undefined) return batch;
  const globalBatch = rampedBatch(ramp, consumed);
  return {
    ...batch,
    globalBatch,
    accumulation: globalBatch / (batch.microBatch * batch.dataRanks),
  };
}

/** Whether something due every `interval` steps is due after `step` of `steps`. */
export const isDue = (interval: number, step: number, steps: number): boolean =>
  step === steps || (interval > 0 && step % interval === 0);
