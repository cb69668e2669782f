// The tokenizers that a flag can name.

import { UserError } from "@tessera/config";
import { byteTokenizer } from "./bytes.js";
import { gpt2Tokenizer } from "./gpt2.js";
import type { Tokenizer } from "./tokenizer.js";

export const tokenizerNames = ["bytes", "gpt2"] as const;
export type TokenizerName = (typeof tokenizerNames)[number];

const makers: Readonly<Record<TokenizerName, () => Tokenizer>> = {
  bytes: () => byteTokenizer,
  gpt2: gpt2Tokenizer,
};

/** The tokenizer called `name`; a UserError lists those there are. */
export function tokenizerByName(name: string): Tokenizer {
  const known = tokenizerNames.find((one) => one === name);
  if (known === undefined) {
    throw new UserError(
      `there is no tokenizer called "${name}": choose one of ${tokenizerNames.join(", ")}`,
    );
  }
  return makers[known]();
}
