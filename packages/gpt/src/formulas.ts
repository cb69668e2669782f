// What a GPT costs, from its configuration alone.

import { leaves, type ParamSpec } from "@tessera/params";
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
  const { layerCount, hiddenSize, headCount, kvHeadCount, ffnHiddenSize, vocabularySize } = config;
  const innerMatrices = config.activation === "swiglu" ? 3 : 2;
  const keyValueSize = (2 * hiddenSize * kvHeadCount) / headCount;
  const projections = hiddenSize * (2 * hiddenSize + keyValueSize + innerMatrices * ffnHiddenSize);
  const attention = 2 * time * hiddenSize;
  const forward = 2 * (layerCount * (projections + attention) + hiddenSize * vocabularySize);
  return 3 * forward;
}
