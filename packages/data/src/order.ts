// The order of samples, over all epochs.

import type { Quantity } from "@tessera/config/units";
import { permutation, streamKey } from "@tessera/random";
import type { SampleOrder } from "./samples.js";

/**
 * Every sample once per epoch, in an order that is a function of (seed, epoch, count). Holds the order of one epoch,
 * 4 bytes per sample.
 */
export function shuffledOrder(count: number, seed: number): SampleOrder {
  let epoch = -1;
  let order: Uint32Array = new Uint32Array();
  return {
    at: (n) => {
      const wanted = Math.floor(n / count);
      if (wanted !== epoch) {
        order = permutation(count, streamKey(seed, `epoch ${wanted}`));
        epoch = wanted;
      }
      return order[n % count]!;
    },
  };
}

/** By index, epoch after epoch: for evaluation. */
export const sequentialOrder = (count: number): SampleOrder => ({ at: (n) => n % count });

/** For how many samples an order is built. */
export interface OrderLength {
  readonly samples: Quantity<"samples">;
  /** Lines for the log where the order changes. */
  readonly notes: readonly string[];
}

/**
 * For how many samples to build the order of a run that needs `needed` and had an order for `before`: for as many as
 * before, so that it stays the same. Default of `before`: a new run.
 */
export const orderLength = (
  needed: Quantity<"samples">,
  before: Quantity<"samples"> = 0,
): OrderLength => ({
  samples: Math.max(needed, before),
  notes:
    before > 0 && needed > before
      ? [
          `order  laid out for ${needed} samples, the run so far for ${before}: where that takes more ` +
            "passes over the data, what follows is in another order, and may have come before",
        ]
      : [],
});
