// Tokenizers by name: built in, or in a file or folder.

import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "@tessera/config";
import { bpeTokenizer } from "./bpe/bpe_tokenizer.js";
import { byteTokenizer } from "./byte_tokenizer.js";
import { gpt2Tokenizer } from "./formats/gpt2.js";
import type { Tokenizer } from "./tokenizer.js";
import { readTokenizerJson } from "./formats/tokenizer_json.js";
import { readTiktoken, readVocabMerges } from "./formats/vocabulary_files.js";

/** The built-in tokenizers. */
export const tokenizerNames = ["bytes", "gpt2"] as const;
/** The name of a built-in tokenizer. */
export type TokenizerName = (typeof tokenizerNames)[number];

const makers: Readonly<Record<TokenizerName, () => Tokenizer>> = {
  bytes: () => byteTokenizer,
  gpt2: gpt2Tokenizer,
};

/**
 * The built-in tokenizer called `name`.
 *
 * @throws UserError that lists those there are.
 */
export function tokenizerByName(name: string): Tokenizer {
  const known = tokenizerNames.find((one) => one === name);
  if (known === undefined) {
    throw new UserError(
      `there is no tokenizer called "${name}": choose one of ${tokenizerNames.join(", ")}`,
    );
  }
  return makers[known]();
}

/**
 * The tokenizer called `name`, or the one in the file or folder of that name: a tokenizer.json, a
 * rank file of tiktoken, or a folder with a tokenizer.json or with vocab.json and merges.txt.
 *
 * @throws UserError where there is none, or it cannot be read.
 */
export function openTokenizer(name: string): Tokenizer {
  const isBuiltIn = tokenizerNames.some((one) => one === name);
  const stats = isBuiltIn ? undefined : statSync(name, { throwIfNoEntry: false });
  if (stats === undefined) {
    if (isBuiltIn) return tokenizerByName(name);
    throw new UserError(
      `tokenizer ${name}: is neither ${tokenizerNames.join(" nor ")} nor a file or folder`,
    );
  }
  if (!stats.isDirectory()) {
    return bpeTokenizer(name.endsWith(".json") ? readTokenizerJson(name) : readTiktoken(name));
  }
  const whole = join(name, "tokenizer.json");
  if (existsSync(whole)) return bpeTokenizer(readTokenizerJson(whole));
  return bpeTokenizer(readVocabMerges(join(name, "vocab.json"), join(name, "merges.txt")));
}
