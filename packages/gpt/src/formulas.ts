// What a GPT costs, from its configuration alone.

import { leaves, type ParamSpec } from "@tessera/layers";
import type { GptConfig } from "./config.js";
import { gpt } from "./model.js";

/** Parameters of the whole model, each tied one counted once. */
export const parameterCount = (config: GptConfig): number =>
  leaves<ParamSpec>(gpt(config).spec).reduce(
    (sum, [, { shape }]) => sum + shape.reduce((a, b) => a * b, 1),
    0,
  );

/**
 * Floating-point operations of one token's forward and backward, in a sequence of `time` tokens:
 * two for each weight of a matrix product, twice that in backward; attention counted in full, as
 * Narayanan et al. (2021) do, although causality halves it.
 */
export function trainingFlopsPerToken(config: GptConfig, time: number): number {
  const { layerCount, hiddenSize, headCount, keyHeadCount, innerSize, vocabularySize } = config;
  const innerMatrices = config.activation === "swiglu" ? 3 : 2;
  const keyValueSize = (2 * hiddenSize * keyHeadCount) / headCount;
  const projections = hiddenSize * (2 * hiddenSize + keyValueSize + innerMatrices * innerSize);
  const attention = 2 * time * hiddenSize;
  const forward = 2 * (layerCount * (projections + attention) + hiddenSize * vocabularySize);
  return 3 * forward;
}

/** Rows and tokens of a micro-batch, and bytes of an activation: 4, or 2 in bf16 and fp16. */
export interface MicroBatch {
  readonly rows: number;
  readonly time: number;
  readonly bytes: 2 | 4;
}

/** Logits are made in chunks of tokens that take no more, where the backend can. */
const LOGIT_BYTES = 64 * 2 ** 20;

/**
 * Bytes of activations at the end of forward, when they are most: what each block keeps for its
 * backward, and what the head works with. Korthikanti et al. (2022) count the same, for layers that keep
 * more; ours keep the input of a norm, of a product and of an activation, once each.
 */
export function activationBytes(config: GptConfig, { rows, time, bytes }: MicroBatch): number {
  const { layerCount, hiddenSize, headCount, keyHeadCount, innerSize, vocabularySize } = config;
  const norms = config.parallelBlock ? 1 : 2;
  const gates = config.activation === "swiglu" ? 2 : 1;
  const keyValue = (2 * hiddenSize * keyHeadCount) / headCount;
  // Each norm's input and output; queries, keys, values and what they made; the MLP's inner layer.
  const block = 2 * norms * hiddenSize + 2 * hiddenSize + keyValue + gates * innerSize;
  const statistics = 4 * (2 * norms + headCount); // fp32: of norms, and of each head's softmax
  const token = layerCount * (block * bytes + statistics) + 3 * hiddenSize * bytes;
  const logits = Math.min(LOGIT_BYTES, 4 * rows * time * vocabularySize);
  return rows * time * token + logits;
}
