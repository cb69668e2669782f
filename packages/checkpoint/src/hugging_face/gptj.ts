// GPT-J (Wang and Komatsuzaki, 2021): attention and MLP side by side, part of each head turned by rotary
// positions in pairs of neighbours, a head of its own with a bias.

import { gptConfig, type GptConfig } from "@tessera/gpt";
import * as v from "valibot";
import {
  layers,
  parsed,
  placeBy,
  positive,
  rate,
  size,
  type Layout,
  type Places,
} from "./layout.js";

const BASE = 10_000; // of the turns; GPT-J has no other

const TOP: Places = {
  "embedding.token": "transformer.wte.weight",
  "norm.gain": "transformer.ln_f.weight",
  "norm.bias": "transformer.ln_f.bias",
  "head.table": "lm_head.weight",
  "head.bias": "lm_head.bias",
};

const IN_BLOCK: Places = {
  "norm.gain": "transformer.h.LAYER.ln_1.weight",
  "norm.bias": "transformer.h.LAYER.ln_1.bias",
  "both.heads.query.weight": "transformer.h.LAYER.attn.q_proj.weight",
  "both.heads.keyValue.weight": [
    "transformer.h.LAYER.attn.k_proj.weight",
    "transformer.h.LAYER.attn.v_proj.weight",
  ],
  "both.heads.output.weight": "transformer.h.LAYER.attn.out_proj.weight",
  "both.feed.up.weight": "transformer.h.LAYER.mlp.fc_in.weight",
  "both.feed.up.bias": "transformer.h.LAYER.mlp.fc_in.bias",
  "both.feed.down.weight": "transformer.h.LAYER.mlp.fc_out.weight",
  "both.feed.down.bias": "transformer.h.LAYER.mlp.fc_out.bias",
};

const dropped = v.optional(rate, 0);

const File = v.object({
  model_type: v.literal("gptj"),
  vocab_size: size,
  n_positions: size,
  n_embd: size,
  n_layer: layers,
  n_head: size,
  n_inner: v.nullish(size),
  rotary_dim: size,
  activation_function: v.optional(v.picklist(["gelu_new", "gelu_pytorch_tanh"]), "gelu_new"),
  layer_norm_epsilon: v.optional(positive, 1e-5),
  initializer_range: v.optional(positive, 0.02),
  embd_pdrop: dropped,
  attn_pdrop: dropped,
  resid_pdrop: dropped,
  tie_word_embeddings: v.optional(v.literal(false), false),
});

/** How many elements of each head turn. */
const rotaryDims = ({ positions, hiddenSize, headCount }: GptConfig): number =>
  positions.kind === "rotary" ? Math.round((positions.fraction * hiddenSize) / headCount) : 0;

export const gptjLayout: Layout = {
  modelType: "gptj",
  prefix: "",
  fits: ({ headCount, kvHeadCount, positions, biases, ...config }) =>
    kvHeadCount === headCount &&
    positions.kind === "rotary" &&
    positions.pairs === "neighbours" &&
    positions.base === BASE &&
    config.activation === "gelu" &&
    config.norm === "layer" &&
    config.parallelBlock &&
    !biases.attention &&
    biases.mlp &&
    biases.head &&
    !config.tiedEmbeddings,
  placeOf: (path) => placeBy(TOP, IN_BLOCK, path),
  isTransposed: (name) => /\.h\..*(proj|fc_in|fc_out)\.weight$/.test(name),
  fromConfig(json, path) {
    const file = parsed(File, json, path);
    return gptConfig({
      layerCount: file.n_layer,
      hiddenSize: file.n_embd,
      headCount: file.n_head,
      ffnHiddenSize: file.n_inner ?? 4 * file.n_embd,
      vocabularySize: file.vocab_size,
      maxPositions: file.n_positions,
      dropout: {
        embedding: file.embd_pdrop,
        attention: file.attn_pdrop,
        residual: file.resid_pdrop,
      },
      positions: {
        kind: "rotary",
        base: BASE,
        fraction: (file.rotary_dim * file.n_head) / file.n_embd,
        pairs: "neighbours",
      },
      parallelBlock: true,
      biases: { attention: false, mlp: true, head: true },
      tiedEmbeddings: false,
      initStd: file.initializer_range,
      normEpsilon: file.layer_norm_epsilon,
    });
  },
  toConfig: (config) => ({
    architectures: ["GPTJForCausalLM"],
    model_type: "gptj",
    vocab_size: config.vocabularySize,
    n_positions: config.maxPositions,
    n_embd: config.hiddenSize,
    n_layer: config.layerCount,
    n_head: config.headCount,
    n_inner: config.ffnHiddenSize,
    rotary_dim: rotaryDims(config),
    activation_function: "gelu_new",
    layer_norm_epsilon: config.normEpsilon,
    initializer_range: config.initStd,
    embd_pdrop: config.dropout.embedding,
    attn_pdrop: config.dropout.attention,
    resid_pdrop: config.dropout.residual,
    tie_word_embeddings: false,
  }),
};
