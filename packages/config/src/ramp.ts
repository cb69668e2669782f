// A global batch that grows with training.

import type { Quantity } from "./units.js";

/** Megatron's --rampup-batch-size. All in samples. */
export interface EvenRamp {
  /** Samples of the first steps. */
  readonly start: Quantity<"samples">;
  /** Samples that are added at a time, until the batch is full. */
  readonly increment: Quantity<"samples">;
  /** Samples over which it grows, evenly. */
  readonly samples: Quantity<"samples">;
  /** Samples of a step after that. */
  readonly full: Quantity<"samples">;
}

/** Megatron-LM's --step-batch-size-schedule. All in samples. */
export interface StagedRamp {
  /** Once `from` samples are consumed, a step takes `size`. The first is from 0, others from ever more. */
  readonly stages: readonly {
    readonly from: Quantity<"samples">;
    readonly size: Quantity<"samples">;
  }[];
  /** Samples of a step of the last stage. */
  readonly full: Quantity<"samples">;
}

/** How the global batch grows over a run. */
export type BatchRamp = EvenRamp | StagedRamp;

/** The global batch of the step that comes after `consumed` samples: Megatron's rules. */
export function rampedBatch(ramp: BatchRamp, consumed: Quantity<"samples">): Quantity<"samples"> {
  if ("stages" in ramp) {
    return ramp.stages.findLast(({ from }) => consumed >= from)?.size ?? ramp.full;
  }
  const { start, increment, samples, full } = ramp;
  const increments = (full - start) / increment;
  if (increments === 0 || consumed > samples) return full;
  const done = Math.floor(consumed / (samples / increments));
  return Math.min(full, start + done * increment);
}

/** Every size that the batch has on its way. */
export function rampSizes(ramp: BatchRamp): Quantity<"samples">[] {
  if ("stages" in ramp) return ramp.stages.map(({ size }) => size);
  const { start, increment, full } = ramp;
  return Array.from({ length: (full - start) / increment + 1 }, (_, i) => start + i * increment);
}

/** Samples after which the batch is full. */
const rampLength = (ramp: BatchRamp): Quantity<"samples"> =>
  "stages" in ramp ? ramp.stages.at(-1)!.from : ramp.samples;

/** A number of steps, and the samples that they take. */
export interface Progress {
  readonly steps: Quantity<"steps">;
  readonly samples: Quantity<"samples">;
}

/** The first steps that are `steps`, or that take at least `samples`, whichever comes first. */
export function countRampedSteps(ramp: BatchRamp, end: Partial<Progress>): Progress {
  const { steps: mostSteps = Infinity, samples: mostSamples = Infinity } = end;
  let [steps, samples] = [0, 0];
  while (steps < mostSteps && samples < mostSamples && samples <= rampLength(ramp)) {
    samples += rampedBatch(ramp, samples);
    steps += 1;
  }
  const left = Math.ceil(Math.max(0, mostSamples - samples) / ramp.full);
  const more = Math.min(left, mostSteps - steps);
  return { steps: steps + more, samples: samples + more * ramp.full };
}
