// Parameters and FLOPs of a GPT, from its configuration alone.

import { sizeOf } from "@tessera/kernels/contract";
import { leaves, type ParamSpec, type TreeOf } from "@tessera/params";
import { atLayer, type GptConfig } from "./config.js";
import { isLoraPath } from "./lora.js";
import { gpt } from "./model.js";

/** Number of parameters of the whole model. A tied table counts once. */
export const parameterCount = (config: GptConfig): number =>
  leaves<ParamSpec>(gpt(config).spec).reduce((sum, [, { shape }]) => sum + sizeOf(shape), 0);

/**
 * FLOPs of forward and backward for one token of a sequence of `time` tokens: 2 per weight of a matrix product, as many in
 * backward for the gradient of its input, and for that of the weight, unless `spec` says that it is frozen. Attention
 * is counted in full, as by Narayanan et al. (2021), although the causal mask halves it; to the positions of its window
 * where it has one.
 */
export function trainingFlopsPerToken(
  config: GptConfig,
  time: number,
  spec: TreeOf<ParamSpec> = gpt(config).spec,
): number {
  const head = config.tiedEmbeddings ? "embedding.token" : "head.table";
  const products = leaves<ParamSpec>(spec)
    .filter(([path]) => path === head || path.endsWith(".weight") || isLoraPath(path))
    .reduce((sum, [, { shape, isFrozen }]) => sum + (isFrozen ? 4 : 6) * sizeOf(shape), 0);
  const attention = 2 * config.headCount * config.headSize * attendedPositions(config, time);
  return products + 6 * attention;
}

/** Positions that a token attends to in a sequence of `time` tokens, were it not for the causal mask: summed over layers. */
const attendedPositions = (config: GptConfig, time: number): number =>
  Array.from({ length: config.layerCount }, (_, layer) =>
    Math.min(time, atLayer(config, layer).window?.size ?? time),
  ).reduce((sum, positions) => sum + positions, 0);
