// A byte-level BPE as plain data, which can be saved, and sent to worker threads.

import type { Template } from "../tokenizer.js";
import type { AddedToken } from "./added_token.js";
import type { Merges } from "./pair_table.js";
import type { NormalForm } from "./normalize.js";
import type { PreTokenizerStep } from "./pre_tokenizer.js";
import type { TokenList } from "./token_list.js";

/** Vocabulary, merges and rules of a tokenizer. */
export interface BpeModel {
  readonly name: string;
  readonly tokens: TokenList;
  readonly merges: Merges;
  /** Whether the rank of a merge is the id that it makes, as in tiktoken, and not its index in `merges`. */
  readonly rankIsToken: boolean;
  /** Whether a piece that is a token is not merged, as `ignore_merges` of Hugging Face has it. */
  readonly ignoreMerges: boolean;
  /** Normal forms that the text is brought into first, one after the other. */
  readonly normalizer: readonly NormalForm[];
  readonly preTokenizer: readonly PreTokenizerStep[];
  /** Tokens that are found in a text before it is split. */
  readonly added: readonly AddedToken[];
  /** Ids that no piece of a text becomes: of added tokens outside the vocabulary, and of tokens that are no bytes. */
  readonly unreachable: readonly number[];
  /** Ids that the tokenizer's file puts around a text. */
  readonly template: Template;
  /** The id between documents; null for none. */
  readonly endOfText: number | null;
  /** The id that begins a text, and that which pads one, where files name them. */
  readonly beginOfText?: number;
  readonly padding?: number;
}

/** Byte i of this list has id i in GPT-2: printable ones come first. */
export const gpt2ByteOrder: readonly number[] = (() => {
  const isPrintable = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  const bytes = Array.from({ length: 256 }, (_, byte) => byte);
  return [...bytes.filter(isPrintable), ...bytes.filter((byte) => !isPrintable(byte))];
})();
