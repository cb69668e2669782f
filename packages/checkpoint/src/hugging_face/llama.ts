// Llama (Touvron et al., 2023): gated MLPs, root mean square norms, rotary positions over whole heads, key
// heads that query heads may share.

import { gptConfig } from "@tessera/gpt";
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
  "embedding.token": "model.embed_tokens.weight",
  "norm.gain": "model.norm.weight",
  "head.table": "lm_head.weight",
};

const keyValue = (leaf: string) => [
  `model.layers.LAYER.self_attn.k_proj.${leaf}`,
  `model.layers.LAYER.self_attn.v_proj.${leaf}`,
];
const gateAndUp = (leaf: string) => [
  `model.layers.LAYER.mlp.gate_proj.${leaf}`,
  `model.layers.LAYER.mlp.up_proj.${leaf}`,
];

const IN_BLOCK: Places = {
  "attention.norm.gain": "model.layers.LAYER.input_layernorm.weight",
  "attention.heads.query.weight": "model.layers.LAYER.self_attn.q_proj.weight",
  "attention.heads.query.bias": "model.layers.LAYER.self_attn.q_proj.bias",
  "attention.heads.keyValue.weight": keyValue("weight"),
  "attention.heads.keyValue.bias": keyValue("bias"),
  "attention.heads.output.weight": "model.layers.LAYER.self_attn.o_proj.weight",
  "attention.heads.output.bias": "model.layers.LAYER.self_attn.o_proj.bias",
  "mlp.norm.gain": "model.layers.LAYER.post_attention_layernorm.weight",
  "mlp.feed.up.weight": gateAndUp("weight"),
  "mlp.feed.up.bias": gateAndUp("bias"),
  "mlp.feed.down.weight": "model.layers.LAYER.mlp.down_proj.weight",
  "mlp.feed.down.bias": "model.layers.LAYER.mlp.down_proj.bias",
};

const dropped = v.optional(rate, 0);

const File = v.object({
  model_type: v.literal("llama"),
  vocab_size: size,
  max_position_embeddings: size,
  hidden_size: size,
  intermediate_size: size,
  num_hidden_layers: layers,
  num_attention_heads: size,
  num_key_value_heads: v.nullish(size),
  head_dim: v.nullish(size),
  hidden_act: v.optional(v.literal("silu"), "silu"),
  rms_norm_eps: v.optional(positive, 1e-6),
  rope_theta: v.optional(positive),
  rope_scaling: v.optional(v.null(), null),
  // Where newer files say it.
  rope_parameters: v.nullish(
    v.object({ rope_type: v.optional(v.literal("default"), "default"), rope_theta: positive }),
  ),
  partial_rotary_factor: only(1),
  initializer_range: v.optional(positive, 0.02),
  attention_dropout: dropped,
  // Not Llama's: what our training may add.
  embd_pdrop: dropped,
  resid_pdrop: dropped,
  attention_bias: v.optional(v.boolean(), false),
  mlp_bias: v.optional(v.boolean(), false),
  tie_word_embeddings: v.optional(v.boolean(), false),
});

/** Heads may be wider or narrower in a file; here they share the hidden size out. */
const Whole = v.pipe(
  File,
  v.check(
    ({ head_dim, hidden_size, num_attention_heads }) =>
      head_dim == null || head_dim * num_attention_heads === hidden_size,
    "head_dim must be hidden_size / num_attention_heads",
  ),
);

export const llamaLayout: Layout = {
  modelType: "llama",
  prefix: "",
  fits: ({ positions, ...config }) =>
    positions.kind === "rotary" &&
    positions.pairs === "halves" &&
    positions.fraction === 1 &&
    config.activation === "swiglu" &&
    config.norm === "rms" &&
    !config.parallelBlock &&
    !config.biases.head,
  placeOf: (path) => placeBy(TOP, IN_BLOCK, path),
  isTransposed: (name) => name.endsWith("_proj.weight"),
  fromConfig(json, path) {
    const file = parsed(Whole, json, path);
    return gptConfig({
      layerCount: file.num_hidden_layers,
      hiddenSize: file.hidden_size,
      headCount: file.num_attention_heads,
      kvHeadCount: file.num_key_value_heads ?? file.num_attention_heads,
      ffnHiddenSize: file.intermediate_size,
      vocabularySize: file.vocab_size,
      maxPositions: file.max_position_embeddings,
      dropout: {
        embedding: file.embd_pdrop,
        attention: file.attention_dropout,
        residual: file.resid_pdrop,
      },
      positions: {
        kind: "rotary",
        base: file.rope_parameters?.rope_theta ?? file.rope_theta ?? 10_000,
        fraction: 1,
        pairs: "halves",
      },
      activation: "swiglu",
      norm: "rms",
      biases: { attention: file.attention_bias, mlp: file.mlp_bias, head: false },
      tiedEmbeddings: file.tie_word_embeddings,
      initStd: file.initializer_range,
      normEpsilon: file.rms_norm_eps,
    });
  },
  toConfig: (config) => ({
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    vocab_size: config.vocabularySize,
    max_position_embeddings: config.maxPositions,
    hidden_size: config.hiddenSize,
    intermediate_size: config.ffnHiddenSize,
    num_hidden_layers: config.layerCount,
    num_attention_heads: config.headCount,
    num_key_value_heads: config.kvHeadCount,
    hidden_act: "silu",
    rms_norm_eps: config.normEpsilon,
    rope_theta: config.positions.kind === "rotary" ? config.positions.base : 10_000,
    initializer_range: config.initStd,
    attention_dropout: config.dropout.attention,
    embd_pdrop: config.dropout.embedding,
    resid_pdrop: config.dropout.residual,
    attention_bias: config.biases.attention,
    mlp_bias: config.biases.mlp,
    tie_word_embeddings: config.tiedEmbeddings,
  }),
};
