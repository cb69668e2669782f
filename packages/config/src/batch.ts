// The one place where batch sizes are multiplied.

import { UserError } from "./errors.js";

/** How many samples one optimizer step takes, and how they are shared out. All in samples. */
export interface BatchPlan {
  /** What one rank takes through the model at once. */
  readonly microBatch: number;
  /** Micro-batches that a rank's gradients are summed over before a step. */
  readonly accumulation: number;
  /** Ranks that train on different samples. */
  readonly dataRanks: number;
  /** microBatch x accumulation x dataRanks. */
  readonly globalBatch: number;
}

/** Multiplies the batch out; a stated `globalBatch` that differs is refused with all numbers. */
export function resolveBatch(
  given: Omit<BatchPlan, "globalBatch"> & { readonly globalBatch?: number },
): BatchPlan {
  const { microBatch, accumulation, dataRanks } = given;
  const globalBatch = microBatch * accumulation * dataRanks;
  if (given.globalBatch !== undefined && given.globalBatch !== globalBatch) {
    throw new UserError(
      `the global batch is ${given.globalBatch}, but micro-batch ${microBatch} x accumulation ` +
        `${accumulation} x ${dataRanks} data-parallel ranks is ${globalBatch}: change one of them`,
    );
  }
  return { microBatch, accumulation, dataRanks, globalBatch };
}
