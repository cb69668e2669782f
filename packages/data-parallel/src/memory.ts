// Memory of a rank, computed from the parameter specs alone.

import { sizeOf } from "@tessera/kernels/contract";
import { UNSHARDED, type ShardIndex } from "@tessera/mesh";
import { leaves, shardSlice, type ParamSpec, type TreeOf } from "@tessera/params";
import type { SumOrder } from "./data_parallel.js";

/** Bytes on one rank, by kind. */
export interface RankMemory {
  /** Of this rank, in fp32. */
  readonly weights: number;
  /** Gradients at their peak: at the end of a step. */
  readonly gradients: number;
  /** Of them, what is kept between microbatches. */
  readonly accumulated: number;
  readonly optimizer: number;
  /** Peak of short-lived tensors: the largest gradient and, in stage 3, the gathered weights of the current layers. */
  readonly transient: number;
}

/** The data-parallel strategy and the optimizer of a rank. */
export interface MemoryOptions {
  /** The ZeRO stage. */
  readonly stage: 0 | 1 | 2 | 3;
  /** In which order gradients are summed. Default: fixed. */
  readonly sumOrder?: SumOrder;
  /** Number of data-parallel ranks. */
  readonly ranks: number;
  /** Microbatches of a step on each of them. Default: 1. */
  readonly accumulation?: number;
  /** Elements of optimizer state per parameter element. */
  readonly slots: number;
  /** This rank's tensor-parallel shard. Default: unsharded. */
  readonly shard?: ShardIndex;
}

const BYTES_PER_ELEMENT = 4;

/** Weights, gradients and optimizer state are fp32, whatever the dtype of activations. */
export function rankMemory(
  spec: TreeOf<ParamSpec>,
  { stage, sumOrder = "fixed", ranks, accumulation = 1, slots, shard = UNSHARDED }: MemoryOptions,
): RankMemory {
  const sizes = leaves<ParamSpec>(spec).map(
    ([path, leaf]) =>
      [path, BYTES_PER_ELEMENT * sizeOf(shardSlice(leaf, shard, path).size)] as const,
  );
  const full = sizes.reduce((sum, [, size]) => sum + size, 0);
  const largest = Math.max(0, ...sizes.map(([, size]) => size));
  const shardedFrom = (first: number): number => (stage >= first ? full / ranks : full);
  const further = sumOrder === "fixed" ? furtherGradients(spec, sizes) : 0;
  // In the fixed order several ranks reduce each microbatch, and keep nothing full between them.
  const isSharded = sumOrder === "fixed" && ranks > 1;
  const accumulated = isSharded
    ? (full + further) / ranks
    : shardedFrom(2) + (accumulation > 2 ? further : 0);
  return {
    weights: shardedFrom(3),
    gradients: isSharded && stage === 0 ? full + full / ranks : accumulated,
    accumulated,
    optimizer: slots * shardedFrom(1),
    transient: stage === 3 && ranks > 1 ? Math.max(2 * largest, 3 * largestLayer(sizes)) : largest,
  };
}

type Sizes = readonly (readonly [path: string, size: number])[];

/** Bytes of the second and further gradients of parameters that have several: a tied table's. */
function furtherGradients(spec: TreeOf<ParamSpec>, sizes: Sizes): number {
  const counts = leaves<ParamSpec>(spec).map(([, { gradientCount = 1 }]) => gradientCount - 1);
  return sizes.reduce((sum, [, size], i) => sum + counts[i]! * size, 0);
}

/**
 * Bytes of the largest layer of a sequence, whose layers are named by numbers. Backward holds its full weights, those
 * of the next layer, and its gradients until they are reduced.
 */
function largestLayer(sizes: Sizes): number {
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
  { weights, gradients, accumulated, optimizer, transient }: RankMemory,
  activations: number,
  accumulation: number,
): number =>
  weights +
  optimizer +
  Math.max(gradients, (accumulation > 1 ? accumulated : 0) + activations + transient);
