// In which order samples are taken, over all epochs.

import { permutation, streamKey } from "@tessera/random";
import type { SampleOrder } from "./samples.js";

/**
 * Every sample once per epoch, each epoch in an order of its own that is a function of (seed,
 * epoch, count). The order of one epoch is kept, 4 bytes per sample.
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

/** From the first sample to the last, and again: for evaluation. */
export const sequentialOrder = (count: number): SampleOrder => ({ at: (n) => n % count });

export interface OrderLength {
  /** Samples that a run needs until its end. */
  readonly samples: number;
  /** What to tell where their order is not what it was. */
  readonly notes: readonly string[];
}

/**
 * How many samples to lay out for a run that needs `needed` and was `before` laid out for so many: as
 * many as then, so that their order stays what it was.
 */
export const orderLength = (needed: number, before = 0): OrderLength => ({
  samples: Math.max(needed, before),
  notes:
    before > 0 && needed > before
      ? [
          `order  laid out for ${needed} samples, the run so far for ${before}: where that takes more ` +
            "passes over the data, what follows is in another order, and may have come before",
        ]
      : [],
});
