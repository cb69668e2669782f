// Data layouts of one global batch, and the bits of what they train.

import { createHash } from "node:crypto";
import type { Layout, Trained } from "./layouts.js";

const MICROBATCHES = 24;

/** A row a micro-batch, dropout, tokens that do not count, and clipping in every step. */
const COMMON: Omit<Layout, "steps" | "accumulation"> = {
  ...{ dropout: 0.1, rows: MICROBATCHES, masked: true, stage: 0 },
  ...{ rate: { peak: 1e-2, warmup: 2 }, bucketBytes: 2 ** 12 },
};

/** The layout of `ranks` ranks whose data-parallel ones take all micro-batches between them. */
export const layoutOn = (ranks: number, choice: Partial<Layout>, steps: number): Layout => ({
  ...COMMON,
  ...choice,
  steps,
  accumulation: (MICROBATCHES * (choice.pipeline ?? 1)) / ranks,
});

/** Losses and norms of all steps, and a hash of the weights at their end. */
export function bitsOf({ losses, norms, weights }: Trained) {
  const hash = createHash("sha256");
  for (const path of Object.keys(weights).sort()) hash.update(path).update(weights[path]!);
  return { losses, norms, weights: hash.digest("hex") };
}
