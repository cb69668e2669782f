// What a rank's memory holds, from the specification alone.

import { leaves, windowOf, type ParamSpec, type TreeOf } from "@tessera/layers";
import { WHOLE, type Part } from "@tessera/mesh";

/** Bytes of one rank, by kind. */
export interface RankMemory {
  readonly weights: number;
  /** Sums over micro-batches, at their most. */
  readonly gradients: number;
  readonly optimizer: number;
  /** The largest parameter's gradient on its way and, in stage 3, its weights, whole for a moment. */
  readonly passing: number;
}

export interface MemoryOptions {
  readonly stage: 0 | 1 | 2 | 3;
  readonly ranks: number;
  /** Numbers that the optimizer keeps beside each weight. */
  readonly slots: number;
  /** What the rank holds of parameters that tensor parallelism splits. */
  readonly part?: Part;
}

const BYTES_PER_ELEMENT = 4;

/** Weights, gradients and moments are fp32 whatever activations are. */
export function rankMemory(
  spec: TreeOf<ParamSpec>,
  { stage, ranks, slots, part = WHOLE }: MemoryOptions,
): RankMemory {
  const sizes = leaves<ParamSpec>(spec).map(
    ([path, leaf]) =>
      BYTES_PER_ELEMENT * windowOf(leaf, part, path).size.reduce((a, b) => a * b, 1),
  );
  const whole = sizes.reduce((a, b) => a + b, 0);
  const largest = Math.max(0, ...sizes);
  const from = (first: number): number => (stage >= first ? whole / ranks : whole);
  return {
    weights: from(3),
    gradients: from(2),
    optimizer: slots * from(1),
    passing: stage === 3 ? 2 * largest : largest,
  };
}
