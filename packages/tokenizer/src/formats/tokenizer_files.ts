// A tokenizer as the files of a model's folder, for `transformers` and for us.

import { copyFileSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { writeError } from "@tessera/files";
import { bpeTokenizer, type BpeTokenizer } from "../bpe/bpe_tokenizer.js";
import { byteModel } from "../byte_tokenizer.js";
import type { Tokenizer } from "../tokenizer.js";
import { TOKENIZER_CONFIG } from "./tokenizer_config.js";
import { writeTokenizerJson } from "./tokenizer_json.js";

const TOKENIZER_JSON = "tokenizer.json";

/** Beside tokenizer.json; the last ones are of older versions, and the source of some. */
const OTHER_FILES = [
  TOKENIZER_CONFIG,
  "special_tokens_map.json",
  "added_tokens.json",
  "chat_template.jinja",
  "chat_template.json",
  "vocab.json",
  "merges.txt",
  "tokenizer.model",
];

/** Files that a tokenizer is read from, in a folder that is its own. */
const MAIN_FILES = [TOKENIZER_JSON, "vocab.json", "tokenizer.model"];

/**
 * Writes `tokenizer` into `folder`, as `transformers` reads it, with the same ids. Files that it was opened from are
 * copied.
 *
 * @throws UserError where the folder cannot be written.
 */
export function saveTokenizer(tokenizer: Tokenizer, folder: string): void {
  const { name: opened } = tokenizer;
  const copy = (from: string, name: string): boolean => {
    if (!statSync(from, { throwIfNoEntry: false })?.isFile()) return false;
    try {
      copyFileSync(from, join(folder, name));
    } catch (error) {
      throw writeError(join(folder, name), error);
    }
    return true;
  };
  const isWhole = opened.endsWith(".json") && basename(opened) !== "vocab.json";
  if (!(isWhole && copy(opened, TOKENIZER_JSON))) {
    writeTokenizerJson(join(folder, TOKENIZER_JSON), modelOf(tokenizer));
  }
  const hasFolder = MAIN_FILES.includes(basename(opened));
  const beside = (name: string): boolean => hasFolder && copy(join(dirname(opened), name), name);
  const copied = OTHER_FILES.filter(beside);
  if (!copied.includes(TOKENIZER_CONFIG)) writeTokenizerConfig(folder, tokenizer);
}

const isBpe = (tokenizer: Tokenizer): tokenizer is BpeTokenizer => "model" in tokenizer;

const modelOf = (tokenizer: Tokenizer) =>
  (isBpe(tokenizer) ? tokenizer : bpeTokenizer(byteModel)).model;

function writeTokenizerConfig(folder: string, tokenizer: Tokenizer): void {
  const { addedTokens, beginOfText, endOfText, padding } = tokenizer;
  const textOf = new Map(Array.from(addedTokens, ([text, id]) => [id, text]));
  const named = (key: string, id: number | null | undefined) =>
    typeof id === "number" && textOf.has(id) ? { [key]: textOf.get(id) } : {};
  const settings = {
    tokenizer_class: "PreTrainedTokenizerFast",
    clean_up_tokenization_spaces: false,
    // As in GPT-2, one token stands between texts where no other begins them.
    ...named("bos_token", beginOfText ?? endOfText),
    ...named("eos_token", endOfText),
    ...named("pad_token", padding),
  };
  const path = join(folder, TOKENIZER_CONFIG);
  try {
    writeFileSync(path, `${JSON.stringify(settings, null, 2)}\n`);
  } catch (error) {
    throw writeError(path, error);
  }
}
