// What a training run is made of: everything that is decided before the first step.

import type { BatchPlan } from "@tessera/config";
import type { Feed } from "@tessera/data";
import type { Sharing } from "@tessera/data-parallel";
import type { Gpt, GptParams } from "@tessera/gpt";
import type { TensorAxis } from "@tessera/tensor-parallel";
import type { LossScaleOptions, Optimizer, Schedule } from "@tessera/optim";

export interface TrainingPlan {
  readonly model: Gpt;
  readonly optimizer: Optimizer;
  readonly schedule: Schedule;
  readonly batch: BatchPlan;
  /** How the ranks that see different samples share weights, gradients and moments. */
  readonly sharing: Sharing<GptParams>;
  /** What the ranks that share each layer do together, of which `sharing` is the part of one. */
  readonly tensor: TensorAxis;
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
}

/** Whether something due every `interval` steps is due after `step` of `steps`. */
export const isDue = (interval: number, step: number, steps: number): boolean =>
  step === steps || (interval > 0 && step % interval === 0);
