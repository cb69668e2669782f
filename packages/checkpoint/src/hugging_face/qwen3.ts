// Qwen 3 without experts (Yang et al., 2025): heads of any width, queries and keys that are normalized.

import * as v from "valibot";
import { hfFamily } from "./family.js";
import { always, field } from "./fields.js";
import { headSize, kvHeads, llamaFields, llamaTensors } from "./llama_like.js";
import { qwenWindow } from "./window_fields.js";

export const qwen3 = hfFamily({
  modelType: "qwen3",
  architecture: "Qwen3ForCausalLM",
  obeys: ["sliding_window", "layer_types"],
  fields: {
    ...llamaFields,
    headSize: headSize(128),
    kvHeadCount: kvHeads(32),
    window: qwenWindow,
    qkNorm: always(true),
    biases: field(
      v.object({ attention_bias: v.optional(v.boolean(), false) }),
      ({ attention_bias: attention }) => ({ attention, mlp: false, head: false }),
      ({ attention }) => ({ attention_bias: attention === true }),
    ),
  },
  ...llamaTensors,
});
