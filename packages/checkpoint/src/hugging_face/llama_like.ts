// What Llama (Touvron et al., 2023) and the families after it share: keys of config.json, and names of tensors.

import * as v from "valibot";
import type { FamilyTables } from "./family.js";
import {
  always,
  field,
  key,
  layers,
  positive,
  rate,
  size,
  type Field,
  type FieldMap,
} from "./fields.js";
import { rotaryPositions } from "./rotary_fields.js";

/** Elements of a head: hidden size / heads where a file has null, `absent` where it has no such key. */
export const headSize = (absent: number | null): Field<number> =>
  field(
    v.object({
      head_dim: v.optional(v.nullable(size), absent),
      hidden_size: size,
      num_attention_heads: size,
    }),
    (file) => file.head_dim ?? file.hidden_size / file.num_attention_heads,
    (head_dim) => ({ head_dim }),
  );

/** KV heads, as many as heads where a file has null; `absent` where it has no such key, which is for each family another. */
export const kvHeads = (absent: number | null): Field<number> =>
  field(
    v.object({
      num_key_value_heads: v.optional(v.nullable(size), absent),
      num_attention_heads: size,
    }),
    (file) => file.num_key_value_heads ?? file.num_attention_heads,
    (num_key_value_heads) => ({ num_key_value_heads }),
  );

const dropoutRate = v.optional(rate, 0);

/** Dropout of attention, and what only our training may add. */
const dropout: FieldMap["dropout"] = field(
  v.object({ attention_dropout: dropoutRate, embd_pdrop: dropoutRate, resid_pdrop: dropoutRate }),
  (file) => ({
    embedding: file.embd_pdrop,
    attention: file.attention_dropout,
    residual: file.resid_pdrop,
  }),
  ({ embedding, attention, residual }) => ({
    attention_dropout: attention,
    embd_pdrop: embedding,
    resid_pdrop: residual,
  }),
);

/** Sizes, in the order in which config.json has them. */
export const llamaSizes = {
  vocabularySize: key("vocab_size", size),
  maxPositions: key("max_position_embeddings", size),
  hiddenSize: key("hidden_size", size),
  ffnHiddenSize: key("intermediate_size", size),
  layerCount: key("num_hidden_layers", layers),
  headCount: key("num_attention_heads", size),
  headSize: headSize(null),
} satisfies Partial<FieldMap>;

/** All fields but those of KV heads and biases: SwiGLU, RMSNorm, rotary positions over all of each head. */
export const llamaFields = {
  ...llamaSizes,
  activation: field(
    v.object({ hidden_act: v.optional(v.picklist(["silu", "swish"]), "silu") }),
    () => "swiglu",
    () => ({ hidden_act: "silu" }),
  ),
  normEpsilon: key("rms_norm_eps", v.optional(positive, 1e-6)),
  positions: rotaryPositions,
  window: always(null),
  qkNorm: always(false),
  initStd: key("initializer_range", v.optional(positive, 0.02)),
  dropout,
  tiedEmbeddings: key("tie_word_embeddings", v.optional(v.boolean(), false)),
  norm: always("rms"),
  parallelBlock: always(false),
} satisfies Partial<FieldMap>;

export const inLayer = (name: string): string => `model.layers.LAYER.${name}`;
const keyAndValue = (leaf: string) =>
  ["k_proj", "v_proj"].map((name) => inLayer(`self_attn.${name}.${leaf}`));
const gateAndUp = (leaf: string) =>
  ["gate_proj", "up_proj"].map((name) => inLayer(`mlp.${name}.${leaf}`));

/** The tensors of attention. */
export const llamaAttention = {
  "attention.norm.gain": inLayer("input_layernorm.weight"),
  "attention.heads.query.weight": inLayer("self_attn.q_proj.weight"),
  "attention.heads.query.bias": inLayer("self_attn.q_proj.bias"),
  "attention.heads.keyValue.weight": keyAndValue("weight"),
  "attention.heads.keyValue.bias": keyAndValue("bias"),
  "attention.heads.queryNorm.gain": inLayer("self_attn.q_norm.weight"),
  "attention.heads.keyNorm.gain": inLayer("self_attn.k_norm.weight"),
  "attention.heads.output.weight": inLayer("self_attn.o_proj.weight"),
  "attention.heads.output.bias": inLayer("self_attn.o_proj.bias"),
  "mlp.norm.gain": inLayer("post_attention_layernorm.weight"),
} satisfies FamilyTables["block"];

/** All tensors. */
export const llamaTensors = {
  prefix: "model.",
  top: {
    "embedding.token": "model.embed_tokens.weight",
    "norm.gain": "model.norm.weight",
    "head.table": "lm_head.weight",
  },
  block: {
    ...llamaAttention,
    "mlp.feed.up.weight": gateAndUp("weight"),
    "mlp.feed.up.bias": gateAndUp("bias"),
    "mlp.feed.down.weight": inLayer("mlp.down_proj.weight"),
    "mlp.feed.down.bias": inLayer("mlp.down_proj.bias"),
  },
  buffers: /rotary_emb\.inv_freq$/,
  transposed: /_proj\.weight$/,
} satisfies Partial<FamilyTables>;
