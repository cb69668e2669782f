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
  const all = leaves<ParamSpec>(spec).map(([path, leaf]) => ({
    path,
    leaf,
    size: BYTES_PER_ELEMENT * sizeOf(shardSlice(leaf, shard, path).size),
  }));
  const trained = all.filter(({ leaf }) => leaf.isFrozen !== true);
  const [weights, full] = [sumSizes(all), sumSizes(trained)];
  const largest = Math.max(0, ...trained.map(({ size }) => size));
  const shardedFrom = (first: number): number => (stage >= first ? full / ranks : full);
  const further = sumOrder === "fixed" ? furtherGradients(trained) : 0;
  // In the fixed order several ranks reduce each microbatch, and keep nothing full between them.
  const isSharded = sumOrder === "fixed" && ranks > 1;
  const accumulated = isSharded
    ? (full + further) / ranks
    : shardedFrom(2) + (accumulation > 2 ? further : 0);
  return {
    weights: stage === 3 ? weights / ranks : weights,
    gradients: isSharded && stage === 0 ? full + full / ranks : accumulated,
    accumulated,
    optimizer: slots * shardedFrom(1),
    transient: stage === 3 && ranks > 1 ? gatheredBytes(all, trained) : largest,
  };
}

/** A parameter, and its bytes on this rank where it is not sharded by data parallelism. */
type Sizes = readonly {
  readonly path: string;
  readonly leaf: ParamSpec;
  readonly size: number;
}[];

const sumSizes = (sizes: Sizes): number => sizes.reduce((sum, { size }) => sum + size, 0);

/** Bytes of the second and further gradients of parameters that have several: a tied table's. */
const furtherGradients = (trained: Sizes): number =>
  trained.reduce(
    (sum, { leaf: { gradientCount = 1 }, size }) => sum + (gradientCount - 1) * size,
    0,
  );

/**
 * Peak of what ZeRO 3 gathers: a parameter outside of layers with its gradient, or in backward the full weights of a
 * layer, those of the next, and the layer's gradients until they are reduced.
 */
function gatheredBytes(all: Sizes, trained: Sizes): number {
  const isTrained = new Set(trained.map(({ path }) => path));
  const alone = all.map(({ path, size }) => (isTrained.has(path) ? 2 : 1) * size);
  return Math.max(0, ...alone, 2 * largestLayer(all) + largestLayer(trained));
}

/** Bytes of the largest layer of a sequence, whose layers are named by numbers. */
function largestLayer(sizes: Sizes): number {
  const layers = new Map<string, number>();
  for (const { path, size } of sizes) {
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
