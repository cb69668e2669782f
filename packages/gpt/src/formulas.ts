// Parameters and FLOPs of a GPT, from its configuration alone.

import { sizeOf } from "@tessera/kernels/contract";
import { leaves, type ParamSpec } from "@tessera/params";
import type { GptConfig } from "./config.js";
import { gpt } from "./model.js";

/** Number of parameters of the whole model. A tied table counts once. */
export const parameterCount = (config: GptConfig): number =>
  leaves<ParamSpec>(gpt(config).spec).reduce((sum, [, { shape }]) => sum + sizeOf(shape), 0);

/**
 * FLOPs of forward and backward for one token of a sequence of `time` tokens: 2 per weight of a matrix product, twice
 * that in backward. Attention is counted in full, as by Narayanan et al. (2021), although the causal mask halves it.
 */
export function trainingFlopsPerToken(config: GptConfig, time: number): number {
  const { layerCount, hiddenSize, headCount, kvHeadCount, headSize, ffnHiddenSize } = config;
  const mlpMatrices = config.activation === "swiglu" ? 3 : 2;
  const [querySize, keyValueSize] = [headCount * headSize, 2 * kvHeadCount * headSize];
  const projections = hiddenSize * (2 * querySize + keyValueSize + mlpMatrices * ffnHiddenSize);
  const attention = 2 * time * querySize;
  const head = hiddenSize * config.vocabularySize;
  const forward = 2 * (layerCount * (projections + attention) + head);
  if (config.lora === undefined) return 3 * forward;
  // A frozen matrix has no gradient of its own.
  const trained = layerCount * (loraWeights(config) + attention);
  return 6 * trained + 4 * (layerCount * projections + head);
}

/** Elements of LoRA's matrices in a layer. */
function loraWeights(config: GptConfig): number {
  const path = /^blocks\.0\..*\.lora\./;
  return leaves<ParamSpec>(gpt(config).spec)
    .filter(([name]) => path.test(name))
    .reduce((sum, [, { shape }]) => sum + sizeOf(shape), 0);
}
