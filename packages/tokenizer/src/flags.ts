// Flags that name a tokenizer, alike in all programs: by name, file or folder, or in Megatron's words.

import { choice, text, UserError, type FlagValues } from "@tessera/config";
import { bpeTokenizer } from "./bpe/bpe_tokenizer.js";
import { tiktokenPatterns } from "./formats/tiktoken.js";
import { readVocabMerges } from "./formats/vocabulary_files.js";
import { openTokenizer } from "./open_tokenizer.js";
import type { Tokenizer } from "./tokenizer.js";

export { digestVocabulary } from "./digest.js";

/** Names of the kinds that take a file or folder: in Megatron-LM, and in older preprocessing scripts. */
const FILE_TYPES: readonly string[] = ["HuggingFaceTokenizer", "HFTokenizer"];

/** For programs that have other flags for the tokenizer itself. */
export const tiktokenPattern = choice(
  "how a rank file of tiktoken splits text; known for published files",
  tiktokenPatterns,
);

/** `standard` is the tokenizer where none is named. */
export const tokenizerFlags = (standard: string) => ({
  tokenizer: text(`gpt2, bytes, or a file or folder of a tokenizer (default: ${standard})`, "NAME"),
  "tiktoken-pattern": tiktokenPattern,
  "tokenizer-type": choice("Megatron's name of its kind", ["GPT2BPETokenizer", ...FILE_TYPES]),
  "tokenizer-model": text("Megatron's name of --tokenizer", "NAME"),
  "vocab-file": text("GPT-2's vocab.json", "FILE"),
  "merge-file": text("GPT-2's merges.txt", "FILE"),
});

/** The values of the flags that name a tokenizer. */
export type TokenizerFlags = FlagValues<{ readonly Tokenizer: ReturnType<typeof tokenizerFlags> }>;

/**
 * The tokenizer that `flags` name; `standard` where they name none.
 *
 * @throws UserError where they contradict each other, or it cannot be opened.
 */
export function chooseTokenizer(flags: TokenizerFlags, standard: string): Tokenizer {
  const { "tokenizer-type": type, "tiktoken-pattern": pattern } = flags;
  const { "vocab-file": vocab, "merge-file": merges } = flags;
  const named = [flags.tokenizer, flags["tokenizer-model"]].filter((one) => one !== undefined);
  if (new Set(named).size > 1) {
    throw new UserError("--tokenizer and --tokenizer-model: name the same; give one");
  }
  const [name] = named;
  const hasFiles = vocab !== undefined || merges !== undefined;
  if (type !== undefined && FILE_TYPES.includes(type) && name === undefined) {
    throw new UserError(`--tokenizer-type ${type}: takes --tokenizer-model, a file or folder`);
  }
  if (!hasFiles) return openTokenizer(name ?? standard, { pattern });
  if (vocab === undefined || merges === undefined) {
    throw new UserError("--vocab-file, --merge-file: belong together; give both, or neither");
  }
  if (name !== undefined) {
    throw new UserError("--tokenizer or --vocab-file and --merge-file: name one tokenizer");
  }
  return bpeTokenizer(readVocabMerges(vocab, merges));
}
