// Mistral (Jiang et al., 2023), whose first had a sliding window, and Mistral Nemo: no biases, heads of any width.

import { hfFamily } from "./family.js";
import { always } from "./fields.js";
import { kvHeads, llamaFields, llamaTensors } from "./llama_like.js";
import { windowOfAll } from "./window_fields.js";

export const mistral = hfFamily({
  modelType: "mistral",
  architecture: "MistralForCausalLM",
  obeys: ["sliding_window"],
  fields: {
    ...llamaFields,
    kvHeadCount: kvHeads(8),
    window: windowOfAll(4096),
    biases: always({ attention: false, mlp: false, head: false }),
  },
  ...llamaTensors,
});
