// GPT-J (Wang and Komatsuzaki, 2021): attention and MLP in parallel, rotary positions on a part of each head in
// interleaved pairs, an untied LM head with a bias.

import type { GptConfig } from "@tessera/gpt";
import * as v from "valibot";
import { hfFamily } from "./family.js";
import { always, field, only, size, type FieldMap } from "./fields.js";
import { gptNumbers, gptSizes } from "./gpt_fields.js";

/** The base of its rotary frequencies, which config.json does not say. */
const ROTARY_BASE = 10_000;

/** Elements of each head that are rotated. */
const rotaryDims = ({ positions, headSize }: GptConfig): number =>
  positions.kind === "rotary" ? Math.round(positions.fraction * headSize) : 0;

const fields: FieldMap = {
  ...gptSizes,
  positions: field(
    v.object({ rotary_dim: size, n_head: size, n_embd: size }),
    ({ rotary_dim, n_head, n_embd }) => ({
      kind: "rotary",
      base: ROTARY_BASE,
      fraction: (rotary_dim * n_head) / n_embd,
      pairs: "neighbours",
    }),
    (_positions, config) => ({ rotary_dim: rotaryDims(config) }),
    // The fraction is one of whole elements: only the last digits of it can differ.
    (value) =>
      value.kind === "rotary" && value.pairs === "neighbours" && value.base === ROTARY_BASE,
  ),
  ...gptNumbers(0),
  tiedEmbeddings: field(
    v.object({ tie_word_embeddings: only(false) }),
    () => false,
    () => ({ tie_word_embeddings: false }),
  ),
  norm: always("layer"),
  parallelBlock: always(true),
  biases: always({ attention: false, mlp: true, head: true }),
};

const inLayer = (name: string): string => `transformer.h.LAYER.${name}`;

export const gptj = hfFamily({
  modelType: "gptj",
  architecture: "GPTJForCausalLM",
  prefix: "transformer.",
  fields,
  top: {
    "embedding.token": "transformer.wte.weight",
    "norm.gain": "transformer.ln_f.weight",
    "norm.bias": "transformer.ln_f.bias",
    "head.table": "lm_head.weight",
    "head.bias": "lm_head.bias",
  },
  block: {
    "norm.gain": inLayer("ln_1.weight"),
    "norm.bias": inLayer("ln_1.bias"),
    "both.heads.query.weight": inLayer("attn.q_proj.weight"),
    "both.heads.keyValue.weight": [inLayer("attn.k_proj.weight"), inLayer("attn.v_proj.weight")],
    "both.heads.output.weight": inLayer("attn.out_proj.weight"),
    "both.feed.up.weight": inLayer("mlp.fc_in.weight"),
    "both.feed.up.bias": inLayer("mlp.fc_in.bias"),
    "both.feed.down.weight": inLayer("mlp.fc_out.weight"),
    "both.feed.down.bias": inLayer("mlp.fc_out.bias"),
  },
  buffers: /(^|\.)h\.\d+\.attn\.(bias|masked_bias|embed_positions)$/,
  transposed: /\.h\..*(proj|fc_in|fc_out)\.weight$/,
});
