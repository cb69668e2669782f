// Tokenizers by name: built in, or in a file or folder.

import { closeSync, existsSync, readSync } from "node:fs";
import { dirname, join } from "node:path";
import { UserError } from "@tessera/config";
import { openFile, readJson, statPath } from "@tessera/files";
import * as v from "valibot";
import { bpeTokenizer } from "./bpe/bpe_tokenizer.js";
import type { KnownPattern } from "./bpe/known_patterns.js";
import type { BpeModel } from "./bpe/model.js";
import { byteTokenizer } from "./byte_tokenizer.js";
import { gpt2Tokenizer } from "./formats/gpt2.js";
import type { Tokenizer } from "./tokenizer.js";
import { applyTokenizerConfig, TOKENIZER_CONFIG } from "./formats/tokenizer_config.js";
import { readTokenizerJson } from "./formats/tokenizer_json.js";
import { readTiktoken } from "./formats/tiktoken.js";
import { MAX_FILE_BYTES, readVocabMerges } from "./formats/vocabulary_files.js";

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

/** What a tokenizer's files may not say. */
export interface OpenOptions {
  /** How a rank file of tiktoken splits text. Default: as the published file which it is. */
  readonly pattern?: KnownPattern | undefined;
}

/**
 * The tokenizer in the file or folder called `name`, or the built-in one of that name. A file is a tokenizer.json or a
 * rank file of tiktoken; a folder has one of these, or vocab.json and merges.txt.
 *
 * @throws UserError where there is none, it cannot be read, or a part of it is not followed here.
 */
export function openTokenizer(name: string, options: OpenOptions = {}): Tokenizer {
  const isBuiltIn = tokenizerNames.some((one) => one === name);
  const stats = statPath(name);
  if (isBuiltIn && !(stats?.isDirectory() === true && hasTokenizer(name))) {
    return tokenizerByName(name);
  }
  if (stats === undefined) {
    throw new UserError(
      `tokenizer ${name}: is neither ${tokenizerNames.join(" nor ")} nor a file or folder`,
    );
  }
  const path = stats.isDirectory() ? fileIn(name) : name;
  if (path === null) return bpeTokenizer(readGpt2Folder(name));
  if (!path.endsWith(".json")) {
    refuseSentencePiece(path);
    return bpeTokenizer(readTiktoken(path, options));
  }
  if (options.pattern !== undefined) {
    throw new UserError(`${path}: says itself how text is split: leave out --tiktoken-pattern`);
  }
  return bpeTokenizer(applyTokenizerConfig(readTokenizerJson(path), dirname(path)));
}

/** Its files are binary, and begin with the mark of their first token; rank files are lines of text. */
function refuseSentencePiece(path: string): void {
  const descriptor = openFile(path);
  try {
    const first = Buffer.alloc(1);
    if (readSync(descriptor, first) === 0 || first[0] !== 0x0a) return;
  } finally {
    closeSync(descriptor);
  }
  throw new UserError(
    `${path}: is a model of SentencePiece, which does not encode texts here; a byte-level BPE is needed`,
  );
}

/** Whether `folder` has a file of a tokenizer. */
export const hasTokenizer = (folder: string): boolean =>
  TOKENIZER_FILES.some((name) => existsSync(join(folder, name)));

/** The likeliest first. Llama 3's tokenizer.model is a rank file. */
const TOKENIZER_FILES = ["tokenizer.json", "vocab.json", "tokenizer.model"] as const;

/** The file that has all of the tokenizer in `folder`; null where it is in vocab.json and merges.txt. */
function fileIn(folder: string): string | null {
  const name = TOKENIZER_FILES.find((one) => existsSync(join(folder, one)));
  if (name === "vocab.json") return null;
  if (name !== undefined) return join(folder, name);
  throw new UserError(
    `${folder}: has no tokenizer: neither tokenizer.json, nor vocab.json and merges.txt, nor tokenizer.model`,
  );
}

const CLASS = v.object({ tokenizer_class: v.nullish(v.string()) });

/** Other tokenizers have files of these names too, but split text in their own ways. */
function readGpt2Folder(folder: string): BpeModel {
  const config = join(folder, TOKENIZER_CONFIG);
  const parsed = v.safeParse(CLASS, existsSync(config) ? readJson(config, MAX_FILE_BYTES) : {});
  const name = parsed.success ? (parsed.output.tokenizer_class ?? "GPT2Tokenizer") : "unreadable";
  const way = "save it as a tokenizer.json, as AutoTokenizer.save_pretrained of transformers does";
  if (!/^GPT2Tokenizer(Fast)?$/.test(name)) {
    throw new UserError(`${config}: tokenizer_class ${name} is not followed here; ${way}`);
  }
  const added = join(folder, "added_tokens.json");
  if (existsSync(added)) throw new UserError(`${added}: is not followed here; ${way}`);
  const model = readVocabMerges(join(folder, "vocab.json"), join(folder, "merges.txt"));
  return applyTokenizerConfig(model, folder);
}
