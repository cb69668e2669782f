// One transformer block: attention and MLP, behind norms of their own and one after the other (Radford
// et al., 2019), or side by side behind one norm (GPT-J; Wang and Komatsuzaki, 2021). What they make is
// added to what came in. The region marks the stretches that tensor parallelism may split.

import {
  dropout,
  identity,
  layerNorm,
  mlp,
  residual,
  rmsNorm,
  selfAttention,
  sequence,
  sideBySide,
  type Layer,
  type LayerNormParams,
  type ParamsOf,
  type Region,
  type Tree,
} from "@tessera/layers";
import type { GptConfig } from "./config.js";

/** A bias only in layer normalization. */
export type NormParams = Omit<LayerNormParams, "bias"> & Partial<LayerNormParams>;

/** x [batch, time, hidden] -> y of the same shape. */
export function normOf({ norm, hiddenSize, normEpsilon }: GptConfig): Layer<NormParams, Tree> {
  return norm === "rms" ? rmsNorm(hiddenSize, normEpsilon) : layerNorm(hiddenSize, normEpsilon);
}

/** Attention and MLP as `config` has them. The MLP brings the region's boundaries, attention does not. */
function partsOf(config: GptConfig, region: Region) {
  const { hiddenSize: width, initDeviation: deviation, positions } = config;
  // Two sublayers of each block add to the residual stream; this keeps its variance near 1.
  const outputDeviation = deviation / Math.sqrt(2 * config.layerCount);
  const shared = { width, deviation, outputDeviation };
  const heads = selfAttention({
    ...shared,
    heads: config.headCount,
    keyHeads: config.keyHeadCount,
    rotary: positions.kind === "rotary" ? positions : null,
    bias: config.biases.attention,
    dropout: config.dropout.attention,
    inside: region.inside,
  });
  const { innerSize: innerWidth, activation } = config;
  const feed = mlp({ ...shared, innerWidth, activation, bias: config.biases.mlp }, region);
  return { heads, feed };
}

function oneAfterTheOther(config: GptConfig, region: Region) {
  const { enter, leave, outside } = region;
  const { heads, feed } = partsOf(config, region);
  const [norm, drop] = [normOf(config), dropout(config.dropout.residual, outside)];
  return sequence({
    attention: residual(sequence({ norm, enter, heads, leave, drop })),
    mlp: residual(sequence({ norm, feed, drop })),
  });
}

/** One stretch holds both, so a split block sends half as often. */
function bothAtOnce(config: GptConfig, region: Region) {
  const { enter, leave, outside } = region;
  const both = sideBySide(partsOf(config, { ...region, enter: identity, leave: identity }));
  const drop = dropout(config.dropout.residual, outside);
  return residual(sequence({ norm: normOf(config), enter, both, leave, drop }));
}

export type BlockParams = ParamsOf<ReturnType<typeof oneAfterTheOther | typeof bothAtOnce>>;

/** x [batch, time, hidden] -> y of the same shape. */
export const block = (config: GptConfig, region: Region): Layer<BlockParams, Tree> =>
  config.parallelBlock ? bothAtOnce(config, region) : oneAfterTheOther(config, region);
