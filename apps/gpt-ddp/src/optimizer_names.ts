// The optimizers that flags name, by our names and by Hugging Face's.

import { choice, UserError, type Flag } from "@tessera/config";

const kinds = ["adamw", "adam", "sgd"] as const;
export type OptimizerKind = (typeof kinds)[number];

/** Other implementations of the same optimizer. */
const ADAMW = [
  "adamw_torch",
  "adamw_torch_fused",
  "adamw_torch_xla",
  "adamw_torch_npu_fused",
  "adamw_apex_fused",
  "adamw_hf",
];

export const optimizerFlag: Flag<OptimizerKind> = {
  ...choice("the optimizer, also by Trainer's names of AdamW", kinds, "adamw"),
  parse([word = ""]) {
    const kind = ADAMW.includes(word) ? "adamw" : kinds.find((one) => one === word);
    if (kind !== undefined) return kind;
    throw new UserError(`must be one of ${[...kinds, ...ADAMW].join(", ")}`);
  },
};
