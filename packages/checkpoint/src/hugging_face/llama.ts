// Llama (Touvron et al., 2023): SwiGLU, RMSNorm, rotary positions over all of each head, grouped-query attention.

import * as v from "valibot";
import { hfFamily } from "./family.js";
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

const dropoutRate = v.optional(rate, 0);
const bias = v.optional(v.boolean(), false);

const headSize: Field<number> = field(
  v.object({ head_dim: v.nullish(size), hidden_size: size, num_attention_heads: size }),
  (file) => file.head_dim ?? file.hidden_size / file.num_attention_heads,
  (head_dim) => ({ head_dim }),
);

const fields: FieldMap = {
  vocabularySize: key("vocab_size", size),
  maxPositions: key("max_position_embeddings", size),
  hiddenSize: key("hidden_size", size),
  ffnHiddenSize: key("intermediate_size", size),
  layerCount: key("num_hidden_layers", layers),
  headCount: key("num_attention_heads", size),
  headSize,
  kvHeadCount: field(
    v.object({ num_key_value_heads: v.nullish(size), num_attention_heads: size }),
    (file) => file.num_key_value_heads ?? file.num_attention_heads,
    (num_key_value_heads) => ({ num_key_value_heads }),
  ),
  activation: field(
    v.object({ hidden_act: v.optional(v.picklist(["silu", "swish"]), "silu") }),
    () => "swiglu",
    () => ({ hidden_act: "silu" }),
  ),
  normEpsilon: key("rms_norm_eps", v.optional(positive, 1e-6)),
  positions: rotaryPositions,
  initStd: key("initializer_range", v.optional(positive, 0.02)),
  dropout: field(
    // Llama has the first one; the others are what our training may add.
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
  ),
  biases: field(
    v.object({ attention_bias: bias, mlp_bias: bias }),
    (file) => ({ attention: file.attention_bias, mlp: file.mlp_bias, head: false }),
    ({ attention, mlp }) => ({ attention_bias: attention, mlp_bias: mlp }),
  ),
  tiedEmbeddings: key("tie_word_embeddings", v.optional(v.boolean(), false)),
  norm: always("rms"),
  parallelBlock: always(false),
};

const inLayer = (name: string): string => `model.layers.LAYER.${name}`;
const keyAndValue = (leaf: string) =>
  ["k_proj", "v_proj"].map((name) => inLayer(`self_attn.${name}.${leaf}`));
const gateAndUp = (leaf: string) =>
  ["gate_proj", "up_proj"].map((name) => inLayer(`mlp.${name}.${leaf}`));

export const llama = hfFamily({
  modelType: "llama",
  architecture: "LlamaForCausalLM",
  prefix: "model.",
  fields,
  top: {
    "embedding.token": "model.embed_tokens.weight",
    "norm.gain": "model.norm.weight",
    "head.table": "lm_head.weight",
  },
  block: {
    "attention.norm.gain": inLayer("input_layernorm.weight"),
    "attention.heads.query.weight": inLayer("self_attn.q_proj.weight"),
    "attention.heads.query.bias": inLayer("self_attn.q_proj.bias"),
    "attention.heads.keyValue.weight": keyAndValue("weight"),
    "attention.heads.keyValue.bias": keyAndValue("bias"),
    "attention.heads.output.weight": inLayer("self_attn.o_proj.weight"),
    "attention.heads.output.bias": inLayer("self_attn.o_proj.bias"),
    "mlp.norm.gain": inLayer("post_attention_layernorm.weight"),
    "mlp.feed.up.weight": gateAndUp("weight"),
    "mlp.feed.up.bias": gateAndUp("bias"),
    "mlp.feed.down.weight": inLayer("mlp.down_proj.weight"),
    "mlp.feed.down.bias": inLayer("mlp.down_proj.bias"),
  },
  buffers: /rotary_emb\.inv_freq$/,
  transposed: /_proj\.weight$/,
});
