// Mistral (Jiang et al., 2023) and Mistral Nemo, where attention sees all tokens: no biases, heads of any width.

import * as v from "valibot";
import { hfFamily } from "./family.js";
import { always, size } from "./fields.js";
import { kvHeads, llamaFields, llamaTensors } from "./llama_like.js";

/** A file without the key has the first Mistral's window. */
const window = v.optional(v.nullable(size), 4096);

export const mistral = hfFamily({
  modelType: "mistral",
  architecture: "MistralForCausalLM",
  fields: {
    ...llamaFields,
    kvHeadCount: kvHeads(8),
    biases: always({ attention: false, mlp: false, head: false }),
  },
  requires: v.pipe(
    v.object({ sliding_window: window, max_position_embeddings: size }),
    v.forward(
      v.check(
        ({ sliding_window, max_position_embeddings: positions }) =>
          sliding_window === null || sliding_window >= positions,
        ({ input: { sliding_window, max_position_embeddings: positions } }) =>
          `is ${sliding_window}, which is not supported below max_position_embeddings, ${positions}; null stands for none`,
      ),
      ["sliding_window"],
    ),
  ),
  constants: { sliding_window: null },
  ...llamaTensors,
});
