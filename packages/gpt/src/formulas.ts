// Parameters and FLOPs of a GPT, from its configuration alone.

import { sizeOf } from "@tessera/kernels/contract";
import { leaves, type ParamSpec } from "@tessera/params";
import { atLayer, type GptConfig } from "./config.js";
import { gpt } from "./model.js";

/** Number of parameters of the whole model. A tied table counts once. */
export const parameterCount = (config: GptConfig): number =>
  leaves<ParamSpec>(gpt(config).spec).reduce((sum, [, { shape }]) => sum + sizeOf(shape), 0);

/**
 * FLOPs of forward and backward for one token of a sequence of `time` tokens: 2 per weight of a matrix product, twice
 * that in backward. Attention is counted in full, as by Narayanan et al. (2021), although the causal mask halves it; to
 * the positions of its window where it has one.
 */
export function trainingFlopsPerToken(config: GptConfig, time: number): number {
  const { layerCount, hiddenSize, headCount, kvHeadCount, headSize, ffnHiddenSize } = config;
  const mlpMatrices = config.activation === "swiglu" ? 3 : 2;
  const [querySize, keyValueSize] = [headCount * headSize, 2 * kvHeadCount * headSize];
  const projections = hiddenSize * (2 * querySize + keyValueSize + mlpMatrices * ffnHiddenSize);
  const attention = 2 * querySize * attendedPositions(config, time);
  const head = hiddenSize * config.vocabularySize;
  const forward = 2 * (layerCount * projections + attention + head);
  return 3 * forward;
}

/** Positions that a token attends to in a sequence of `time` tokens, were it not for the causal mask: summed over layers. */
const attendedPositions = (config: GptConfig, time: number): number =>
  Array.from({ length: config.layerCount }, (_, layer) =>
    Math.min(time, atLayer(config, layer).window?.size ?? time),
  ).reduce((sum, positions) => sum + positions, 0);
