// Activation memory of a rank, from the configuration alone: what is saved of a microbatch between forward and backward.

import { crossEntropyWorkspaceBytes, MAX_SLICE_LOGIT_BYTES } from "@tessera/kernels/memory";
import type { Recomputation } from "@tessera/model";
import type { GptConfig } from "./config.js";

/** The shape of a microbatch, and how its activations are stored. */
export interface MicrobatchShape {
  readonly rows: number;
  /** Tokens of each row. */
  readonly time: number;
  /** Bytes of an activation: 4 in fp32, 2 in bf16 and fp16. */
  readonly bytes: 2 | 4;
}

/** What changes the activation memory of a layer. */
export interface ActivationOptions {
  /** Tensor-parallel degree. Default: 1. */
  readonly tensorParallel?: number;
  /** Whether tokens are sharded over tensor-parallel ranks outside of their regions. Default: false. */
  readonly sequenceParallel?: boolean;
  /** Default: nothing is recomputed. */
  readonly recompute?: Recomputation;
}

/** Bytes of a statistic of norms and attention, which is fp32 however activations are stored. */
const STATISTIC_BYTES = 4;

/**
 * Bytes saved of one block. Korthikanti et al. (2022), table 2, count sbh(10 + 24/t + 5as/ht) in 16 bits. Of their
 * 10, we have 8, the inputs and outputs of norms: dropout masks are not saved. Of their 24, we have 16: queries, keys,
 * values, the output of attention, and the input of the activation function, whose output is recomputed. Of 5as/ht,
 * fused attention saves one number per head and token.
 */
export function blockActivationBytes(
  config: GptConfig,
  { rows, time, bytes }: MicrobatchShape,
  { tensorParallel = 1, sequenceParallel = false, recompute }: ActivationOptions = {},
): number {
  const { hiddenSize, headCount, kvHeadCount, headSize, ffnHiddenSize } = config;
  const norms = config.parallelBlock === true ? 1 : 2;
  const statistics = config.norm === "rms" ? 1 : 2;
  const outside = norms * (2 * hiddenSize * bytes + statistics * STATISTIC_BYTES);
  // With more ranks than KV heads, each rank has a replica of one.
  const keyValue = 2 * headSize * Math.max(kvHeadCount / tensorParallel, 1);
  const heads = headCount / tensorParallel;
  const normed = heads + keyValue / (2 * headSize); // queries and keys
  const headNorms = config.qkNorm ? normed * (headSize * bytes + STATISTIC_BYTES) : 0;
  const attention = (2 * heads * headSize + keyValue) * bytes + heads * STATISTIC_BYTES + headNorms;
  const projections = config.activation === "swiglu" ? 2 : 1;
  const mlp = ((projections * ffnHiddenSize) / tensorParallel) * bytes;
  const inside = mlp + (recompute === "attention" ? 0 : attention);
  return rows * time * (outside / (sequenceParallel ? tensorParallel : 1) + inside);
}

/** Bytes saved of `layers` consecutive blocks: all of a block's, or the input alone of blocks that are recomputed. */
export function savedActivationBytes(
  config: GptConfig,
  microbatch: MicrobatchShape,
  options: ActivationOptions,
  layers: number,
): number {
  const { tensorParallel = 1, sequenceParallel = false, recompute } = options;
  const block = blockActivationBytes(config, microbatch, options);
  if (recompute === undefined || recompute === "attention") return layers * block;
  const { rows, time, bytes } = microbatch;
  const input = (rows * time * config.hiddenSize * bytes) / (sequenceParallel ? tensorParallel : 1);
  if (recompute.kind === "uniform") return Math.ceil(layers / recompute.layers) * input;
  const recomputed = Math.min(layers, recompute.layers);
  return recomputed * input + (layers - recomputed) * block;
}

/** Bytes of the activations that backward recomputes at one time. */
export function recomputedActivationBytes(
  config: GptConfig,
  microbatch: MicrobatchShape,
  options: ActivationOptions,
): number {
  const { recompute } = options;
  if (recompute === undefined) return 0;
  const { recompute: _recompute, ...savingAll } = options;
  const block = blockActivationBytes(config, microbatch, savingAll);
  if (recompute === "attention") return block - blockActivationBytes(config, microbatch, options);
  return recompute.kind === "block" ? block : Math.min(recompute.layers, config.layerCount) * block;
}

/** Peak bytes of the activations of a whole model, which are reached at the head, between forward and backward. */
export function activationBytes(
  config: GptConfig,
  microbatch: MicrobatchShape,
  options: ActivationOptions = {},
): number {
  return (
    savedActivationBytes(config, microbatch, options, config.layerCount) +
    headActivationBytes(config, microbatch, options)
  );
}

/** Bytes at the head: input and output of the last norm, the gradient of its output, and the loss's workspace. */
export function headActivationBytes(
  config: GptConfig,
  microbatch: MicrobatchShape,
  { tensorParallel = 1 }: ActivationOptions,
): number {
  const tokens = microbatch.rows * microbatch.time;
  const head =
    tensorParallel > 1
      ? Math.min(MAX_SLICE_LOGIT_BYTES, 4 * tokens * (config.vocabularySize / tensorParallel))
      : crossEntropyWorkspaceBytes({
          tokens,
          width: config.hiddenSize,
          vocabulary: config.vocabularySize,
          bytesPerElement: microbatch.bytes,
        });
  return 3 * tokens * config.hiddenSize * microbatch.bytes + head;
}
