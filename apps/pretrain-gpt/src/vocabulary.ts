// Whose ids the data has.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { UserError } from "@tessera/config";
import {
  bpeTokenizer,
  openTokenizer,
  readSentencePiece,
  readVocabMerges,
  type Tokenizer,
} from "@tessera/tokenizer";
import { digestVocabulary } from "@tessera/tokenizer/flags";
import type { Flags } from "./flags.js";
import { needed } from "./model.js";
import { TOKENIZERS } from "./tokenizer_types.js";

export interface Vocabulary {
  readonly name: string;
  /** Of its contents, whatever files they are from. */
  readonly digest: string;
  /** Ids run from 0 to size - 1. It is not padded: no rank's share depends on that. */
  readonly size: number;
  /** Null where no id ends a document. */
  readonly endOfDocument: number | null;
  /** Null where the data's ids are of no tokenizer that is known. */
  readonly tokenizer: Tokenizer | null;
}

/** Throws a UserError where the files are not there, or are none. */
export function vocabularyOf(flags: Flags): Vocabulary {
  switch (TOKENIZERS[flags["tokenizer-type"]]) {
    case "gpt2":
      return vocabularyIn(gpt2Of(flags));
    case "folder":
      return vocabularyIn(openNamed(flags));
    case "sentencepiece":
      return sentencePieceIn(needed(flags, "tokenizer-model"));
    case "none": {
      // As Megatron counts: one more id, which ends documents.
      const size = needed(flags, "vocab-size");
      const name = `of ${size} ids`;
      return { name, digest: name, size: size + 1, endOfDocument: size, tokenizer: null };
    }
  }
}

const openNamed = (flags: Flags): Tokenizer =>
  openTokenizer(needed(flags, "tokenizer-model"), { pattern: flags["tiktoken-pattern"] });

const vocabularyIn = (tokenizer: Tokenizer): Vocabulary => ({
  name: tokenizer.name,
  digest: digestVocabulary(tokenizer),
  size: tokenizer.vocabularySize,
  endOfDocument: tokenizer.endOfText,
  tokenizer,
});

/** Training takes ids that are there already, so of SentencePiece's own file their number is enough. */
function sentencePieceIn(path: string): Vocabulary {
  if (!path.endsWith(".model")) return vocabularyIn(openTokenizer(path));
  const { size, endOfText } = readSentencePiece(path);
  const digest = createHash("sha256").update(readFileSync(path)).digest("hex").slice(0, 16);
  return { name: path, digest, size, endOfDocument: endOfText, tokenizer: null };
}

function gpt2Of({ "vocab-file": vocabulary, "merge-file": merges }: Flags): Tokenizer {
  if (vocabulary === undefined && merges === undefined) return openTokenizer("gpt2");
  if (vocabulary !== undefined && merges !== undefined) {
    return bpeTokenizer(readVocabMerges(vocabulary, merges));
  }
  throw new UserError("--vocab-file, --merge-file: belong together; give both, or neither");
}
