// Memory of a rank, computed from the parameter specs alone.

import { sizeOf } from "@tessera/kernels/contract";
import { UNSHARDED, type ShardIndex } from "@tessera/mesh";
import { leaves, shardSlice, type ParamSpec, type TreeOf } from "@tessera/params";

/** Bytes on one rank, by kind. */
export interface RankMemory {
  /** Of this rank, in fp32. */
  readonly weights: number;
  /** Gradients accumulated over microbatches, at their peak. */
  readonly gradients: number;
  readonly optimizer: number;
  /** Peak of short-lived tensors: the largest gradient and, in stage 3, the gathered weights of the current layers. */
  readonly transient: number;
}

/** The data-parallel strategy and the optimizer of a rank. */
export interface MemoryOptions {
  /** The ZeRO stage. */
  readonly stage: 0 | 1 | 2 | 3;
  /** Number of data-parallel ranks. */
  readonly ranks: number;
  /** Elements of optimizer state per parameter element. */
  readonly slots: number;
  /** This rank's tensor-parallel shard. Default: unsharded. */
  readonly shard?: ShardIndex;
}

const BYTES_PER_ELEMENT = 4;

/** Weights, gradients and optimizer state are fp32, whatever the dtype of activations. */
export function rankMemory(
  spec: TreeOf<ParamSpec>,
  { stage, ranks, slots, shard = UNSHARDED }: MemoryOptions,
): RankMemory {
  const sizes = leaves<ParamSpec>(spec).map(
    ([path, leaf]) =>
      [path, BYTES_PER_ELEMENT * sizeOf(shardSlice(leaf, shard, path).size)] as const,
  );
  const full = sizes.reduce((sum, [, size]) => sum + size, 0);
  const largest = Math.max(0, ...sizes.map(([, size]) => size));
  const shardedFrom = (first: number): number => (stage >= first ? full / ranks : full);
  return {
    weights: shardedFrom(3),
    gradients: shardedFrom(2),
    optimizer: slots * shardedFrom(1),
    transient: stage === 3 && ranks > 1 ? Math.max(2 * largest, 3 * largestLayer(sizes)) : largest,
  };
}

/**
 * Bytes of the largest layer of a sequence, whose layers are named by numbers. Backward holds its full weights, those
 * of the next layer, and its gradients until they are reduced.
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
 * Peak memory of a rank: at the head, where activations peak (beside the gradients, from the second microbatch on), or
 * at the end of backward, when all gradients are stored.
 */
export const peakBytes = (
  { weights, gradients, optimizer, transient }: RankMemory,
  activations: number,
  accumulation: number,
): number =>
  weights +
  optimizer +
  Math.max(gradients, (accumulation > 1 ? gradients : 0) + activations + transient);
