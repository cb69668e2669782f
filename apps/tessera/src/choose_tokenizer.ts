// The tokenizer that flags name: by name or file, or by Megatron's flags.

import { choice, text, UserError, type FlagValues } from "@tessera/config";
import { bpeTokenizer, openTokenizer, readVocabMerges, type Tokenizer } from "@tessera/tokenizer";

export const tokenizerFlags = {
  tokenizer: text("gpt2, bytes, or a file or folder of a tokenizer", "NAME", "gpt2"),
  "tokenizer-type": choice("Megatron's name of its kind", ["GPT2BPETokenizer", "HFTokenizer"]),
  "vocab-file": text("GPT-2's vocab.json", "FILE"),
  "merge-file": text("GPT-2's merges.txt", "FILE"),
};

export type TokenizerFlags = FlagValues<{ readonly Tokenizer: typeof tokenizerFlags }>;

export function chooseTokenizer(flags: TokenizerFlags): Tokenizer {
  const { "vocab-file": vocab, "merge-file": merges, "tokenizer-type": type } = flags;
  if (vocab === undefined && merges === undefined) return openTokenizer(flags.tokenizer);
  if (vocab === undefined || merges === undefined) {
    throw new UserError("--vocab-file and --merge-file: give both, or neither");
  }
  if (type === "HFTokenizer") {
    throw new UserError("--tokenizer-type HFTokenizer: takes --tokenizer FILE, not --vocab-file");
  }
  return bpeTokenizer(readVocabMerges(vocab, merges));
}
