// Which tokenizer the flags name: ours by name or file, or with Megatron's flags.

import { text, choice, UserError } from "@tessera/config";
import { bpeTokenizer, openTokenizer, readVocabMerges, type Tokenizer } from "@tessera/tokenizer";

export const tokenizerFlags = {
  tokenizer: text("gpt2, bytes, or a file or folder of a tokenizer", "NAME", "gpt2"),
  "tokenizer-type": choice("Megatron's name of its kind", ["GPT2BPETokenizer", "HFTokenizer"]),
  "vocab-file": text("GPT-2's vocab.json", "FILE"),
  "merge-file": text("GPT-2's merges.txt", "FILE"),
};

export interface TokenizerFlags {
  readonly tokenizer: string;
  readonly "tokenizer-type": "GPT2BPETokenizer" | "HFTokenizer" | undefined;
  readonly "vocab-file": string | undefined;
  readonly "merge-file": string | undefined;
}

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
