// One pre-norm transformer block: attention, then MLP, each with a norm and a residual connection (Radford et al.,
// 2019), or both in parallel after one norm (GPT-J; Wang and Komatsuzaki, 2021).

import {
  dropout,
  layerNorm,
  mlp,
  recompute,
  preNorm,
  rmsNorm,
  selfAttention,
  sequence,
  parallel,
  type AttentionParams,
  type Layer,
  type LayerNormParams,
  type ParamsOf,
} from "@tessera/layers";
import type { WeightShard } from "@tessera/layers/placement";
import {
  parallelPreNorms,
  type PreNormParams,
  type TensorParallel,
} from "@tessera/layers/parallel";
import type { Tree } from "@tessera/params";
import type { GptConfig } from "./config.js";
import { loraScale } from "./lora.js";
import type { Recomputation } from "@tessera/model";

/** The parameters of either norm: RMS norm has no bias. */
export type NormParams = Omit<LayerNormParams, "bias"> & Partial<LayerNormParams>;

/** The norm of a configuration, over the hidden dimension. */
export function createNorm({ norm, hiddenSize, normEpsilon }: GptConfig): Layer<NormParams, Tree> {
  return norm === "rms" ? rmsNorm(hiddenSize, normEpsilon) : layerNorm(hiddenSize, normEpsilon);
}

type MlpParams = ParamsOf<ReturnType<typeof mlp>>;

/** The parameters of a block whose attention and MLP each have a norm. */
type TwoNormParams = {
  readonly attention: PreNormParams<"heads", NormParams, AttentionParams>;
  readonly mlp: PreNormParams<"feed", NormParams, MlpParams>;
};

/** The parameters of a block whose attention and MLP are in parallel after one norm. */
type ParallelParams = PreNormParams<
  "both",
  NormParams,
  { readonly heads: AttentionParams; readonly feed: MlpParams }
>;

/** The parameters of a block: under `attention` and `mlp`, or under `both` where these share a norm. */
export type BlockParams = TwoNormParams | ParallelParams;

/** `shard` of the attention and the MLP of a block. */
function createSublayers(
  config: GptConfig,
  shard: WeightShard,
  recomputation: Recomputation | undefined,
) {
  const { hiddenSize: width, initStd: std, positions } = config;
  // Two sublayers of each block add to the residual stream; this scale keeps its variance near 1.
  const outputStd = std / Math.sqrt(2 * config.layerCount);
  const lora = config.lora && { ...config.lora, scale: loraScale(config.lora) };
  const sizes = { width, std, outputStd, shard, lora };
  const attention = selfAttention({
    ...sizes,
    heads: config.headCount,
    kvHeads: config.kvHeadCount,
    headSize: config.headSize,
    normEpsilon: config.qkNorm ? config.normEpsilon : null,
    rotary: positions.kind === "rotary" ? positions : null,
    window: config.window?.size ?? Infinity,
    bias: config.biases.attention,
    dropout: config.dropout.attention,
  });
  const { ffnHiddenSize: ffnWidth, activation } = config;
  const feed = mlp({ ...sizes, ffnWidth, activation, bias: config.biases.mlp });
  const heads: Layer<AttentionParams, Tree, "replicated", "partial"> =
    recomputation === "attention" ? recompute(attention) : attention;
  return { heads, feed };
}

/** Attention and MLP, each after a norm of its own: the MLP after attention, or both of the same x. */
function blockOfTwoNorms(
  config: GptConfig,
  tensorParallel: TensorParallel,
  recomputation?: Recomputation,
): Layer<TwoNormParams, Tree> {
  const { weightShard: shard, tokenShard } = tensorParallel;
  const sublayers = createSublayers(config, shard, recomputation);
  const [norm, drop] = [createNorm(config), dropout(config.dropout.residual, tokenShard)];
  const [heads, feed] = [tensorParallel.wrap(sublayers.heads), tensorParallel.wrap(sublayers.feed)];
  if (config.parallelBlock === "separate norms") {
    return parallelPreNorms({
      attention: { name: "heads", norm, region: heads, drop },
      mlp: { name: "feed", norm, region: feed, drop },
    });
  }
  return sequence(
    ["attention", preNorm("heads", { norm, region: heads, drop })],
    ["mlp", preNorm("feed", { norm, region: feed, drop })],
  );
}

/** Both sublayers are one tensor-parallel region, so there are half as many all-reduces. */
function parallelBlock(
  config: GptConfig,
  tensorParallel: TensorParallel,
  recomputation?: Recomputation,
): Layer<ParallelParams, Tree> {
  const both = tensorParallel.wrap(
    parallel(createSublayers(config, tensorParallel.weightShard, recomputation)),
  );
  const drop = dropout(config.dropout.residual, tensorParallel.tokenShard);
  return preNorm("both", { norm: createNorm(config), region: both, drop });
}

/** The transformer block of a configuration: x [batch, time, hidden] -> y of the same shape. */
export const block = (
  config: GptConfig,
  tensorParallel: TensorParallel,
  recomputation?: Recomputation,
): Layer<BlockParams, Tree> =>
  config.parallelBlock === true
    ? parallelBlock(config, tensorParallel, recomputation)
    : blockOfTwoNorms(config, tensorParallel, recomputation);
