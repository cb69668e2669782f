// A global batch that grows with training.

/** Megatron-LM's --rampup-batch-size. All in samples. */
export interface BatchRamp {
  /** Samples of the first steps. */
  readonly start: number;
  /** Samples that are added at a time, until the batch is full. */
  readonly increment: number;
  /** Samples over which it grows, evenly. */
  readonly samples: number;
  /** Samples of a step after that. */
  readonly full: number;
}

/** The global batch of the step that comes after `consumed` samples: Megatron's rule. */
export function rampedBatch(
  { start, increment, samples, full }: BatchRamp,
  consumed: number,
): number {
  const increments = (full - start) / increment;
  if (increments === 0 || consumed > samples) return full;
  const done = Math.floor(consumed / (samples / increments));
  return Math.min(full, start + done * increment);
}
