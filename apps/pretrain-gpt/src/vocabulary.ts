// Whose ids the data has.

import { UserError } from "@tessera/config";
import { bpeTokenizer, openTokenizer, readVocabMerges, type Tokenizer } from "@tessera/tokenizer";
import type { Flags } from "./flags.js";
import { needed } from "./model.js";

export interface Vocabulary {
  readonly name: string;
  /** Ids run from 0 to size - 1. It is not padded: no rank's share depends on that. */
  readonly size: number;
  /** Null where no id ends a document. */
  readonly endOfDocument: number | null;
}

/** Throws a UserError where the files are not there, or are none. */
export function vocabularyOf(flags: Flags): Vocabulary {
  switch (flags["tokenizer-type"]) {
    case "GPT2BPETokenizer":
      return vocabularyIn(gpt2Of(flags));
    case "HuggingFaceTokenizer":
      return vocabularyIn(openTokenizer(needed(flags, "tokenizer-model")));
    case "NullTokenizer": {
      // As Megatron counts: one more id, which ends documents.
      const size = needed(flags, "vocab-size");
      return { name: `of ${size} ids`, size: size + 1, endOfDocument: size };
    }
  }
}

const vocabularyIn = ({ name, vocabularySize, endOfText }: Tokenizer): Vocabulary => ({
  name,
  size: vocabularySize,
  endOfDocument: endOfText,
});

function gpt2Of({ "vocab-file": vocabulary, "merge-file": merges }: Flags): Tokenizer {
  if (vocabulary === undefined && merges === undefined) return openTokenizer("gpt2");
  if (vocabulary !== undefined && merges !== undefined) {
    return bpeTokenizer(readVocabMerges(vocabulary, merges));
  }
  throw new UserError("--vocab-file, --merge-file: belong together; give both, or neither");
}
