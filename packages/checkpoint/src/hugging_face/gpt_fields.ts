// Fields with the same keys in GPT-2 and GPT-J.

import type { GptConfig } from "@tessera/gpt";
import * as v from "valibot";
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

function dropoutField(rateByDefault: number): Field<GptConfig["dropout"]> {
  const dropout = v.optional(rate, rateByDefault);
  return field(
    v.object({ embd_pdrop: dropout, attn_pdrop: dropout, resid_pdrop: dropout }),
    (file) => ({
      embedding: file.embd_pdrop,
      attention: file.attn_pdrop,
      residual: file.resid_pdrop,
    }),
    ({ embedding, attention, residual }) => ({
      embd_pdrop: embedding,
      attn_pdrop: attention,
      resid_pdrop: residual,
    }),
  );
}

const kvHeadCount: Field<number> = field(
  v.object({ n_head: size }),
  ({ n_head }) => n_head,
  () => ({}),
);

const ffnHiddenSize: Field<number> = field(
  v.object({ n_inner: v.nullish(size), n_embd: size }),
  ({ n_inner, n_embd }) => n_inner ?? 4 * n_embd,
  (n_inner) => ({ n_inner }),
);

const activation: Field<GptConfig["activation"]> = field(
  v.object({
    activation_function: v.optional(v.picklist(["gelu_new", "gelu_pytorch_tanh"]), "gelu_new"),
  }),
  () => "gelu",
  () => ({ activation_function: "gelu_new" }),
);

const headSize: Field<number> = field(
  v.object({ n_embd: size, n_head: size }),
  ({ n_embd, n_head }) => n_embd / n_head,
  () => ({}),
);

/** Sizes, in the order in which config.json has them. */
export const gptSizes = {
  vocabularySize: key("vocab_size", size),
  maxPositions: key("n_positions", size),
  hiddenSize: key("n_embd", size),
  layerCount: key("n_layer", layers),
  headCount: key("n_head", size),
  kvHeadCount,
  headSize,
  qkNorm: always(false),
  window: always(null),
  ffnHiddenSize,
} satisfies Partial<FieldMap>;

/** What follows them in config.json. `dropoutByDefault` is the rate where it says none. */
export const gptNumbers = (dropoutByDefault: number) =>
  ({
    activation,
    normEpsilon: key("layer_norm_epsilon", v.optional(positive, 1e-5)),
    initStd: key("initializer_range", v.optional(positive, 0.02)),
    dropout: dropoutField(dropoutByDefault),
  }) satisfies Partial<FieldMap>;
