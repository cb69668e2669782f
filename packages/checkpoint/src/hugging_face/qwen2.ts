// Qwen 2 and 2.5 (Yang et al., 2024): biases on queries, keys and values alone.

import { hfFamily } from "./family.js";
import { always } from "./fields.js";
import { kvHeads, llamaFields, llamaTensors } from "./llama_like.js";

export const qwen2 = hfFamily({
  modelType: "qwen2",
  architecture: "Qwen2ForCausalLM",
  fields: {
    ...llamaFields,
    kvHeadCount: kvHeads(32),
    biases: always({ attention: "qkv", mlp: false, head: false }),
  },
  constants: { use_sliding_window: false },
  ...llamaTensors,
});
