// GPT-2 (Radford et al., 2019): matrices are [in, out], and query, key and value share one.

import { gptConfig, type GptConfig } from "@tessera/gpt";
import * as v from "valibot";
import {
  only,
  layers,
  parsed,
  placeBy,
  positive,
  rate,
  size,
  type Layout,
  type Places,
} from "./layout.js";

const TOP: Places = {
  "embedding.token": "transformer.wte.weight",
  "embedding.position": "transformer.wpe.weight",
  "norm.gain": "transformer.ln_f.weight",
  "norm.bias": "transformer.ln_f.bias",
  "head.table": "lm_head.weight",
};

const query = (leaf: string) => ({
  within: `transformer.h.LAYER.attn.c_attn.${leaf}`,
  first: 0,
  count: 1,
  of: 3,
});
const keyValue = (leaf: string) => ({ ...query(leaf), first: 1, count: 2 });

const IN_BLOCK: Places = {
  "attention.norm.gain": "transformer.h.LAYER.ln_1.weight",
  "attention.norm.bias": "transformer.h.LAYER.ln_1.bias",
  "attention.heads.query.weight": query("weight"),
  "attention.heads.query.bias": query("bias"),
  "attention.heads.keyValue.weight": keyValue("weight"),
  "attention.heads.keyValue.bias": keyValue("bias"),
  "attention.heads.output.weight": "transformer.h.LAYER.attn.c_proj.weight",
  "attention.heads.output.bias": "transformer.h.LAYER.attn.c_proj.bias",
  "mlp.norm.gain": "transformer.h.LAYER.ln_2.weight",
  "mlp.norm.bias": "transformer.h.LAYER.ln_2.bias",
  "mlp.feed.up.weight": "transformer.h.LAYER.mlp.c_fc.weight",
  "mlp.feed.up.bias": "transformer.h.LAYER.mlp.c_fc.bias",
  "mlp.feed.down.weight": "transformer.h.LAYER.mlp.c_proj.weight",
  "mlp.feed.down.bias": "transformer.h.LAYER.mlp.c_proj.bias",
};

const dropped = v.optional(rate, 0.1);

const File = v.object({
  model_type: v.literal("gpt2"),
  vocab_size: size,
  n_positions: size,
  n_embd: size,
  n_layer: layers,
  n_head: size,
  n_inner: v.nullish(size),
  activation_function: v.optional(v.picklist(["gelu_new", "gelu_pytorch_tanh"]), "gelu_new"),
  layer_norm_epsilon: v.optional(positive, 1e-5),
  initializer_range: v.optional(positive, 0.02),
  embd_pdrop: dropped,
  attn_pdrop: dropped,
  resid_pdrop: dropped,
  tie_word_embeddings: v.optional(v.boolean(), true),
  scale_attn_weights: only(true),
  scale_attn_by_inverse_layer_idx: only(false),
  add_cross_attention: only(false),
});

export const gpt2Layout: Layout = {
  modelType: "gpt2",
  prefix: "transformer.",
  fits: ({ headCount, kvHeadCount, ...config }) =>
    kvHeadCount === headCount &&
    config.positions.kind === "learned" &&
    config.activation === "gelu" &&
    config.norm === "layer" &&
    !config.parallelBlock &&
    config.biases.attention &&
    config.biases.mlp &&
    !config.biases.head,
  placeOf: (path) => placeBy(TOP, IN_BLOCK, path),
  isTransposed: () => false,
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
      tiedEmbeddings: file.tie_word_embeddings,
      initStd: file.initializer_range,
      normEpsilon: file.layer_norm_epsilon,
    });
  },
  toConfig: (config: GptConfig) => ({
    architectures: ["GPT2LMHeadModel"],
    model_type: "gpt2",
    vocab_size: config.vocabularySize,
    n_positions: config.maxPositions,
    n_embd: config.hiddenSize,
    n_layer: config.layerCount,
    n_head: config.headCount,
    n_inner: config.ffnHiddenSize,
    activation_function: "gelu_new",
    layer_norm_epsilon: config.normEpsilon,
    initializer_range: config.initStd,
    embd_pdrop: config.dropout.embedding,
    attn_pdrop: config.dropout.attention,
    resid_pdrop: config.dropout.residual,
    tie_word_embeddings: config.tiedEmbeddings,
  }),
};
