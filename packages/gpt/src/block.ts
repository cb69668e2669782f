// One transformer block: attention and MLP, behind norms of their own and one after the other (Radford
// et al., 2019), or side by side behind one norm (GPT-J; Wang and Komatsuzaki, 2021). What they make is
// added to what came in. The region marks the stretches that tensor parallelism may split.

import {
  dropout,
  layerNorm,
  mlp,
  recompute,
  residual,
  rmsNorm,
  selfAttention,
  sequence,
  parallel,
  type AttentionParams,
  type Layer,
  type LayerNormParams,
  type ParamsOf,
} from "@tessera/layers";
import type { TensorParallel } from "@tessera/layers/parallel";
import type { Tree } from "@tessera/params";
import type { ShardIndex } from "@tessera/mesh";
import type { GptConfig } from "./config.js";
import type { Recomputation } from "@tessera/model";

/** A bias only in layer normalization. */
export type NormParams = Omit<LayerNormParams, "bias"> & Partial<LayerNormParams>;

/** x [batch, time, hidden] -> y of the same shape. */
export function createNorm({ norm, hiddenSize, normEpsilon }: GptConfig): Layer<NormParams, Tree> {
  return norm === "rms" ? rmsNorm(hiddenSize, normEpsilon) : layerNorm(hiddenSize, normEpsilon);
}

/** Attention and MLP as `config` has them: what `inside` holds of them. */
function createSublayers(
  config: GptConfig,
  shard: ShardIndex,
  recomputed: Recomputation | undefined,
) {
  const { hiddenSize: width, initStd: std, positions } = config;
  // Two sublayers of each block add to the residual stream; this keeps its variance near 1.
  const outputStd = std / Math.sqrt(2 * config.layerCount);
  const shared = { width, std, outputStd, shard };
  const attention = selfAttention({
    ...shared,
    heads: config.headCount,
    kvHeads: config.kvHeadCount,
    rotary: positions.kind === "rotary" ? positions : null,
    bias: config.biases.attention,
    dropout: config.dropout.attention,
  });
  const { ffnHiddenSize: ffnWidth, activation } = config;
  const feed = mlp({ ...shared, ffnWidth, activation, bias: config.biases.mlp });
  const heads: Layer<AttentionParams, Tree> =
    recomputed === "attention" ? recompute(attention) : attention;
  return { heads, feed };
}

function sequentialBlock(
  config: GptConfig,
  tensorParallel: TensorParallel,
  recomputed?: Recomputation,
) {
  const { weightShard: shard, tokenShard } = tensorParallel;
  const parts = createSublayers(config, shard, recomputed);
  const [heads, feed] = [tensorParallel.wrap(parts.heads), tensorParallel.wrap(parts.feed)];
  const [norm, drop] = [createNorm(config), dropout(config.dropout.residual, tokenShard)];
  return sequence({
    attention: residual(sequence({ norm, heads, drop })),
    mlp: residual(sequence({ norm, feed, drop })),
  });
}

/** One stretch holds both, so a split block sends half as often. */
function parallelBlock(
  config: GptConfig,
  tensorParallel: TensorParallel,
  recomputed?: Recomputation,
) {
  const both = tensorParallel.wrap(
    parallel(createSublayers(config, tensorParallel.weightShard, recomputed)),
  );
  const drop = dropout(config.dropout.residual, tensorParallel.tokenShard);
  return residual(sequence({ norm: createNorm(config), both, drop }));
}

export type BlockParams = ParamsOf<ReturnType<typeof sequentialBlock | typeof parallelBlock>>;

/** x [batch, time, hidden] -> y of the same shape. */
export const block = (
  config: GptConfig,
  tensorParallel: TensorParallel,
  recomputed?: Recomputation,
): Layer<BlockParams, Tree> =>
  config.parallelBlock
    ? parallelBlock(config, tensorParallel, recomputed)
    : sequentialBlock(config, tensorParallel, recomputed);
