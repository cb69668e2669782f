// GPT-NeoX and Pythia (Black et al., 2022; Biderman et al., 2023): attention and MLP in parallel, each after a norm of its
// own; rotary positions on a part of each head; query, key and value of a head are next to each other.

import * as v from "valibot";
import { hfFamily } from "./family.js";
import { always, field, key, positive, rate, size } from "./fields.js";
import { llamaSizes } from "./llama_like.js";
import { readRotary, RotaryKeys, writeRotaryScaling } from "./rotary_fields.js";

const dropoutRate = v.optional(rate, 0);
const activations = v.picklist(["gelu", "gelu_new", "gelu_pytorch_tanh"]);
const inLayer = (name: string): string => `gpt_neox.layers.LAYER.${name}`;
const fused = (leaf: string, first: number, count: number) => ({
  fused: inLayer(`attention.query_key_value.${leaf}`),
  first,
  count,
  of: 3,
  perHead: true as const,
});

export const gptNeox = hfFamily({
  modelType: "gpt_neox",
  architecture: "GPTNeoXForCausalLM",
  prefix: "gpt_neox.",
  fields: {
    ...llamaSizes,
    kvHeadCount: field(
      v.object({ num_attention_heads: size }),
      ({ num_attention_heads }) => num_attention_heads,
      () => ({}),
    ),
    headSize: field(
      v.object({ hidden_size: size, num_attention_heads: size }),
      ({ hidden_size, num_attention_heads }) => hidden_size / num_attention_heads,
      () => ({}),
    ),
    qkNorm: always(false),
    window: always(null),
    activation: field(
      v.object({ hidden_act: v.optional(activations, "gelu") }),
      ({ hidden_act }) => (hidden_act === "gelu" ? "gelu_erf" : "gelu"),
      (activation) => ({ hidden_act: activation === "gelu_erf" ? "gelu" : "gelu_new" }),
    ),
    normEpsilon: key("layer_norm_eps", v.optional(positive, 1e-5)),
    positions: field(
      v.object({
        ...RotaryKeys.entries,
        rotary_pct: v.optional(rate, 0.25),
        rotary_emb_base: v.optional(positive, 10_000),
      }),
      ({ rotary_pct: fraction, rotary_emb_base: base, ...file }) =>
        readRotary(file, { base, fraction }),
      (value) =>
        value.kind === "rotary"
          ? {
              rotary_pct: value.fraction,
              rotary_emb_base: value.base,
              ...writeRotaryScaling(value),
            }
          : {},
    ),
    initStd: key("initializer_range", v.optional(positive, 0.02)),
    dropout: field(
      v.object({ hidden_dropout: dropoutRate, attention_dropout: dropoutRate }),
      ({ hidden_dropout: hidden, attention_dropout: attention }) => ({
        embedding: hidden,
        attention,
        residual: hidden,
      }),
      ({ residual, attention }) => ({ hidden_dropout: residual, attention_dropout: attention }),
    ),
    biases: field(
      v.object({ attention_bias: v.optional(v.boolean(), true) }),
      ({ attention_bias: attention }) => ({ attention, mlp: true, head: false }),
      ({ attention }) => ({ attention_bias: attention === true }),
    ),
    tiedEmbeddings: key("tie_word_embeddings", v.optional(v.boolean(), false)),
    norm: always("layer"),
    parallelBlock: field(
      v.object({ use_parallel_residual: v.optional(v.boolean(), true) }),
      ({ use_parallel_residual }) => (use_parallel_residual ? "separate norms" : false),
      (value) => ({ use_parallel_residual: value === "separate norms" }),
    ),
  },
  top: {
    "embedding.token": "gpt_neox.embed_in.weight",
    "norm.gain": "gpt_neox.final_layer_norm.weight",
    "norm.bias": "gpt_neox.final_layer_norm.bias",
    "head.table": "embed_out.weight",
  },
  block: {
    "attention.norm.gain": inLayer("input_layernorm.weight"),
    "attention.norm.bias": inLayer("input_layernorm.bias"),
    "attention.heads.query.weight": fused("weight", 0, 1),
    "attention.heads.query.bias": fused("bias", 0, 1),
    "attention.heads.keyValue.weight": fused("weight", 1, 2),
    "attention.heads.keyValue.bias": fused("bias", 1, 2),
    "attention.heads.output.weight": inLayer("attention.dense.weight"),
    "attention.heads.output.bias": inLayer("attention.dense.bias"),
    "mlp.norm.gain": inLayer("post_attention_layernorm.weight"),
    "mlp.norm.bias": inLayer("post_attention_layernorm.bias"),
    "mlp.feed.up.weight": inLayer("mlp.dense_h_to_4h.weight"),
    "mlp.feed.up.bias": inLayer("mlp.dense_h_to_4h.bias"),
    "mlp.feed.down.weight": inLayer("mlp.dense_4h_to_h.weight"),
    "mlp.feed.down.bias": inLayer("mlp.dense_4h_to_h.bias"),
  },
  buffers: /\.attention\.(bias|masked_bias|rotary_emb\.inv_freq)$/,
  transposed: /(query_key_value|dense\w*)\.weight$/,
});
