// StarCoder 2 (Lozhkov et al., 2024): layer norms, GELU, biases, rotary positions, perhaps a sliding window.

import * as v from "valibot";
import { hfFamily } from "./family.js";
import { always, field, key, only, positive, rate } from "./fields.js";
import { inLayer, kvHeads, llamaAttention, llamaFields, llamaTensors } from "./llama_like.js";
import { windowOfAll } from "./window_fields.js";

const dropoutRate = v.optional(rate, 0);

export const starcoder2 = hfFamily({
  modelType: "starcoder2",
  architecture: "Starcoder2ForCausalLM",
  obeys: ["sliding_window"],
  fields: {
    ...llamaFields,
    kvHeadCount: kvHeads(2),
    window: windowOfAll(null),
    activation: field(
      v.object({ hidden_act: only("gelu_pytorch_tanh") }),
      () => "gelu",
      (_activation) => ({ hidden_act: "gelu_pytorch_tanh" }),
    ),
    normEpsilon: key("norm_epsilon", v.optional(positive, 1e-5)),
    initStd: key("initializer_range", v.optional(positive, 0.018042)),
    dropout: field(
      v.object({
        embedding_dropout: dropoutRate,
        attention_dropout: dropoutRate,
        residual_dropout: dropoutRate,
      }),
      (file) => ({
        embedding: file.embedding_dropout,
        attention: file.attention_dropout,
        residual: file.residual_dropout,
      }),
      ({ embedding, attention, residual }) => ({
        embedding_dropout: embedding,
        attention_dropout: attention,
        residual_dropout: residual,
      }),
    ),
    biases: field(
      v.object({ use_bias: v.optional(v.boolean(), true) }),
      ({ use_bias }) => ({ attention: use_bias, mlp: use_bias, head: false }),
      ({ attention }) => ({ use_bias: attention === true }),
    ),
    tiedEmbeddings: key("tie_word_embeddings", v.optional(v.boolean(), true)),
    norm: always("layer"),
  },
  ...llamaTensors,
  top: { ...llamaTensors.top, "norm.bias": "model.norm.bias" },
  block: {
    ...llamaAttention,
    "attention.norm.bias": inLayer("input_layernorm.bias"),
    "mlp.norm.bias": inLayer("post_attention_layernorm.bias"),
    "mlp.feed.up.weight": inLayer("mlp.c_fc.weight"),
    "mlp.feed.up.bias": inLayer("mlp.c_fc.bias"),
    "mlp.feed.down.weight": inLayer("mlp.c_proj.weight"),
    "mlp.feed.down.bias": inLayer("mlp.c_proj.bias"),
  },
  transposed: /(_proj|c_fc)\.weight$/,
});
