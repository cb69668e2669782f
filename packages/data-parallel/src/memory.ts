// What a rank's memory holds, from the specification alone.

import { leaves, shardSlice, type ParamSpec, type TreeOf } from "@tessera/params";
import { UNSHARDED, type ShardIndex } from "@tessera/mesh";

/** Bytes of one rank, by kind. */
export interface RankMemory {
  readonly weights: number;
  /** Sums over micro-batches, at their most. */
  readonly gradients: number;
  readonly optimizer: number;
  /** What is whole for a moment: the largest gradient and, in stage 3, weights around their layer's calls. */
  readonly transient: number;
}

export interface MemoryOptions {
  readonly stage: 0 | 1 | 2 | 3;
  readonly ranks: number;
  /** Numbers that the optimizer keeps beside each weight. */
  readonly slots: number;
  /** What the rank holds of parameters that tensor parallelism splits. */
  readonly shard?: ShardIndex;
}

const BYTES_PER_ELEMENT = 4;

/** Weights, gradients and moments are fp32 whatever activations are. */
export function rankMemory(
  spec: TreeOf<ParamSpec>,
  { stage, ranks, slots, shard = UNSHARDED }: MemoryOptions,
): RankMemory {
  const sizes = leaves<ParamSpec>(spec).map(
    ([path, leaf]) =>
      [
        path,
        BYTES_PER_ELEMENT * shardSlice(leaf, shard, path).size.reduce((a, b) => a * b, 1),
      ] as const,
  );
  const whole = sizes.reduce((sum, [, size]) => sum + size, 0);
  const largest = Math.max(0, ...sizes.map(([, size]) => size));
  const from = (first: number): number => (stage >= first ? whole / ranks : whole);
  return {
    weights: from(3),
    gradients: from(2),
    optimizer: slots * from(1),
    transient: stage === 3 && ranks > 1 ? Math.max(2 * largest, 3 * largestLayer(sizes)) : largest,
  };
}

/**
 * Bytes of the largest layer of a stack, whose layers have numbers. In backward its weights are there, those
 * of the next one, and its gradients on their way.
 */
function largestLayer(sizes: readonly (readonly [path: string, size: number])[]): number {
  const layers = new Map<string, number>();
  for (const [path, size] of sizes) {
    const layer = /^.*?\.\d+(?=\.)/.exec(path)?.[0];
    if (layer !== undefined) layers.set(layer, (layers.get(layer) ?? 0) + size);
  }
  return Math.max(0, ...layers.values());
}

/**
 * The most that a rank holds at once: at the head, when activations are most and, after the first
 * micro-batch, gradients are there already; or at the end of backward, when all gradients are.
 */
export const peakBytes = (
  { weights, gradients, optimizer, transient }: RankMemory,
  activations: number,
  accumulation: number,
): number =>
  weights +
  optimizer +
  Math.max(gradients, (accumulation > 1 ? gradients : 0) + activations + transient);
