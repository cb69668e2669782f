// Qwen 2 and 2.5 (Yang et al., 2024): biases on queries, keys and values alone.

import { hfFamily } from "./family.js";
import { always } from "./fields.js";
import { kvHeads, llamaFields, llamaTensors } from "./llama_like.js";
import { qwenWindow } from "./window_fields.js";

export const qwen2 = hfFamily({
  modelType: "qwen2",
  architecture: "Qwen2ForCausalLM",
  obeys: ["sliding_window", "layer_types"],
  fields: {
    ...llamaFields,
    kvHeadCount: kvHeads(32),
    window: qwenWindow,
    biases: always({ attention: "qkv", mlp: false, head: false }),
  },
  ...llamaTensors,
});
