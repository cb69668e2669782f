// Llama 1 to 3.3 (Touvron et al., 2023; Dubey et al., 2024), and what calls itself one, as SmolLM 2.

import * as v from "valibot";
import { hfFamily } from "./family.js";
import { field } from "./fields.js";
import { kvHeads, llamaFields, llamaTensors } from "./llama_like.js";

const bias = v.optional(v.boolean(), false);

export const llama = hfFamily({
  modelType: "llama",
  architecture: "LlamaForCausalLM",
  fields: {
    ...llamaFields,
    kvHeadCount: kvHeads(null),
    biases: field(
      v.object({ attention_bias: bias, mlp_bias: bias }),
      (file) => ({ attention: file.attention_bias, mlp: file.mlp_bias, head: false }),
      ({ attention, mlp }) => ({ attention_bias: attention === true, mlp_bias: mlp }),
    ),
  },
  ...llamaTensors,
});
