// Parameters and FLOPs of a GPT, from its configuration alone.

import { sizeOf } from "@tessera/kernels/contract";
import { leaves, type ParamSpec, type TreeOf } from "@tessera/params";
import type { GptConfig } from "./config.js";
import { isLoraPath } from "./lora.js";
import { gpt } from "./model.js";

/** Number of parameters of the whole model. A tied table counts once. */
export const parameterCount = (config: GptConfig): number =>
  leaves<ParamSpec>(gpt(config).spec).reduce((sum, [, { shape }]) => sum + sizeOf(shape), 0);

/**
 * FLOPs of forward and backward for one token of a sequence of `time` tokens: 2 per weight of a matrix product, as many in
 * backward for the gradient of its input, and for that of the weight, unless `spec` says that it is frozen. Attention
 * is counted in full, as by Narayanan et al. (2021), although the causal mask halves it.
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
  const attention = 2 * time * config.headCount * config.headSize;
  return products + 6 * config.layerCount * attention;
}
