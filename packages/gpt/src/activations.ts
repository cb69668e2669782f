// What a rank keeps of a micro-batch between forward and backward, from the configuration alone.

import { crossEntropyWorkspaceBytes, MAX_SLICE_LOGIT_BYTES } from "@tessera/kernels/memory";
import type { GptConfig } from "./config.js";
import type { Recomputation } from "@tessera/model";

/** Rows and tokens of a micro-batch, and bytes of an activation: 4, or 2 in bf16 and fp16. */
export interface MicroBatch {
  readonly rows: number;
  readonly time: number;
  readonly bytes: 2 | 4;
}

/** What ranks share of a model's layers, and what backward computes again. */
export interface ActivationOptions {
  /** Ranks that share each layer: one, unless it is said. */
  readonly tensorParallel?: number;
  /** Whether they share the tokens too, outside of products. */
  readonly sequenceParallel?: boolean;
  readonly recompute?: Recomputation;
}

/** Statistics are fp32 whatever activations are. */
const STATISTIC = 4;

/**
 * Bytes that a rank keeps of one block. Korthikanti et al. (2022), table 2, count sbh(10 + 24/t + 5as/ht) in
 * 16 bits. Of their 10, our 8 are the inputs and outputs of norms: dropout's masks are drawn again. Of their
 * 24, our 16 are queries, keys, values, what attention made of them, and the activation's input, of which
 * its output is made again. Fused attention keeps, of 5as/ht, a number for each head.
 */
export function blockActivationBytes(
  config: GptConfig,
  { rows, time, bytes }: MicroBatch,
  { tensorParallel = 1, sequenceParallel = false, recompute }: ActivationOptions = {},
): number {
  const { hiddenSize, headCount, kvHeadCount, ffnHiddenSize } = config;
  const norms = config.parallelBlock ? 1 : 2;
  const statistics = config.norm === "rms" ? 1 : 2;
  const outside = norms * (2 * hiddenSize * bytes + statistics * STATISTIC);
  // Ranks that are more than the key heads hold one each.
  const keyValue = (2 * hiddenSize * Math.max(kvHeadCount / tensorParallel, 1)) / headCount;
  const heads =
    ((2 * hiddenSize) / tensorParallel + keyValue) * bytes +
    (headCount / tensorParallel) * STATISTIC;
  const gates = config.activation === "swiglu" ? 2 : 1;
  const feed = ((gates * ffnHiddenSize) / tensorParallel) * bytes;
  const inside = feed + (recompute === "attention" ? 0 : heads);
  return rows * time * (outside / (sequenceParallel ? tensorParallel : 1) + inside);
}

/**
 * Bytes that a rank keeps of `layers` blocks in a row: all of each, or of those that are recomputed as a
 * unit, their input.
 */
export function savedActivationBytes(
  config: GptConfig,
  micro: MicroBatch,
  options: ActivationOptions,
  layers: number,
): number {
  const { tensorParallel = 1, sequenceParallel = false, recompute } = options;
  const block = blockActivationBytes(config, micro, options);
  if (recompute === undefined || recompute === "attention") return layers * block;
  const { rows, time, bytes } = micro;
  const input = (rows * time * config.hiddenSize * bytes) / (sequenceParallel ? tensorParallel : 1);
  if (recompute.kind === "uniform") return Math.ceil(layers / recompute.layers) * input;
  const alone = Math.min(layers, recompute.layers);
  return alone * input + (layers - alone) * block;
}

/** Bytes of what is computed again at once, while backward is at it. */
export function recomputedActivationBytes(
  config: GptConfig,
  micro: MicroBatch,
  options: ActivationOptions,
): number {
  const { recompute } = options;
  if (recompute === undefined) return 0;
  const { recompute: _all, ...everything } = options;
  const block = blockActivationBytes(config, micro, everything);
  if (recompute === "attention") return block - blockActivationBytes(config, micro, options);
  return recompute.kind === "block" ? block : Math.min(recompute.layers, config.layerCount) * block;
}

/** Bytes of the activations of a whole model when they are most: at the head, between forward and backward. */
export function activationBytes(
  config: GptConfig,
  micro: MicroBatch,
  options: ActivationOptions = {},
): number {
  return (
    savedActivationBytes(config, micro, options, config.layerCount) +
    headActivationBytes(config, micro, options)
  );
}

/**
 * Bytes that the end of a model works with: the last norm's input and output, that one's gradient, and what the
 * head lends.
 */
export function headActivationBytes(
  config: GptConfig,
  micro: MicroBatch,
  { tensorParallel = 1 }: ActivationOptions,
): number {
  const tokens = micro.rows * micro.time;
  const head =
    tensorParallel > 1
      ? Math.min(MAX_SLICE_LOGIT_BYTES, 4 * tokens * (config.vocabularySize / tensorParallel))
      : crossEntropyWorkspaceBytes({
          tokens,
          width: config.hiddenSize,
          vocabulary: config.vocabularySize,
          bytesPerElement: micro.bytes,
        });
  return 3 * tokens * config.hiddenSize * micro.bytes + head;
}
