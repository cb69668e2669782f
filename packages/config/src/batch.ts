// The one place where batch sizes are multiplied.

import { UserError } from "./errors.js";
import type { Quantity } from "./units.js";

declare const multiplied: unique symbol;

/** How many samples an optimizer step takes, and who takes them. `resolveBatch` alone makes one. */
export interface BatchPlan extends BatchSizes {
  /** microBatch x accumulation x dataRanks. */
  readonly globalBatch: Quantity<"samples">;
  /** There is nothing here at run time. */
  readonly [multiplied]: true;
}

/** What a batch is multiplied out of. */
export interface BatchSizes {
  /** Samples that a rank takes through the model at once. */
  readonly microBatch: Quantity<"samples">;
  /** Microbatches over which a rank sums gradients before a step. */
  readonly accumulation: Quantity<"microbatches">;
  /** Ranks that train on different samples. */
  readonly dataRanks: Quantity<"ranks">;
}

/**
 * Multiplies the batch out.
 * @throws UserError, with all numbers, where a given `globalBatch` is not the product.
 */
export function resolveBatch(
  given: BatchSizes & { readonly globalBatch?: Quantity<"samples"> },
): BatchPlan {
  const { microBatch, accumulation, dataRanks } = given;
  const globalBatch = microBatch * accumulation * dataRanks;
  if (given.globalBatch !== undefined && given.globalBatch !== globalBatch) {
    throw new UserError(
      `the global batch is ${given.globalBatch}, but micro-batch ${microBatch} x accumulation ` +
        `${accumulation} x ${dataRanks} data-parallel ranks is ${globalBatch}: change one of them`,
    );
  }
  return { microBatch, accumulation, dataRanks, globalBatch } as BatchPlan;
}
