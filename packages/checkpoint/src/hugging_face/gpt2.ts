// GPT-2 (Radford et al., 2019): matrices are [in, out]; query, key and value are one fused matrix.

import * as v from "valibot";
import { hfFamily } from "./family.js";
import { always, key, only, type FieldMap } from "./fields.js";
import { gptNumbers, gptSizes } from "./gpt_fields.js";

const fields: FieldMap = {
  ...gptSizes,
  ...gptNumbers(0.1),
  tiedEmbeddings: key("tie_word_embeddings", v.optional(v.boolean(), true)),
  positions: always({ kind: "learned" }),
  norm: always("layer"),
  parallelBlock: always(false),
  biases: always({ attention: true, mlp: true, head: false }),
};

const fusedQuery = (leaf: string) => ({
  fused: `transformer.h.LAYER.attn.c_attn.${leaf}`,
  first: 0,
  count: 1,
  of: 3,
});
const fusedKeyValue = (leaf: string) => ({ ...fusedQuery(leaf), first: 1, count: 2 });

export const gpt2 = hfFamily({
  modelType: "gpt2",
  architecture: "GPT2LMHeadModel",
  prefix: "transformer.",
  fields,
  requires: v.object({
    scale_attn_weights: only(true),
    scale_attn_by_inverse_layer_idx: only(false),
    add_cross_attention: only(false),
  }),
  top: {
    "embedding.token": "transformer.wte.weight",
    "embedding.position": "transformer.wpe.weight",
    "norm.gain": "transformer.ln_f.weight",
    "norm.bias": "transformer.ln_f.bias",
    "head.table": "lm_head.weight",
  },
  block: {
    "attention.norm.gain": "transformer.h.LAYER.ln_1.weight",
    "attention.norm.bias": "transformer.h.LAYER.ln_1.bias",
    "attention.heads.query.weight": fusedQuery("weight"),
    "attention.heads.query.bias": fusedQuery("bias"),
    "attention.heads.keyValue.weight": fusedKeyValue("weight"),
    "attention.heads.keyValue.bias": fusedKeyValue("bias"),
    "attention.heads.output.weight": "transformer.h.LAYER.attn.c_proj.weight",
    "attention.heads.output.bias": "transformer.h.LAYER.attn.c_proj.bias",
    "mlp.norm.gain": "transformer.h.LAYER.ln_2.weight",
    "mlp.norm.bias": "transformer.h.LAYER.ln_2.bias",
    "mlp.feed.up.weight": "transformer.h.LAYER.mlp.c_fc.weight",
    "mlp.feed.up.bias": "transformer.h.LAYER.mlp.c_fc.bias",
    "mlp.feed.down.weight": "transformer.h.LAYER.mlp.c_proj.weight",
    "mlp.feed.down.bias": "transformer.h.LAYER.mlp.c_proj.bias",
  },
  buffers: /(^|\.)h\.\d+\.attn\.(bias|masked_bias)$/,
});
