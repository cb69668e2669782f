// A byte-level BPE as plain data, which can be saved, and sent to worker threads.

import type { Merges } from "./pair_table.js";
import type { Pattern } from "./pattern.js";
import type { TokenList } from "./token_list.js";

/** Vocabulary, merges and pattern of a tokenizer. */
export interface BpeModel {
  readonly name: string;
  readonly tokens: TokenList;
  readonly merges: Merges;
  /** Whether the rank of a merge is the id that it makes, as in tiktoken, and not its index in `merges`. */
  readonly rankIsToken: boolean;
  /** Whether a piece that is a token is not merged, as `ignore_merges` of Hugging Face has it. */
  readonly ignoreMerges: boolean;
  readonly pattern: Pattern;
  /** Ids of special tokens, by their text. */
  readonly specials: Readonly<Record<string, number>>;
  /** The id between documents; null for none. */
  readonly endOfText: number | null;
}

/** Byte i of this list has id i in GPT-2: printable ones come first. */
export const gpt2ByteOrder: readonly number[] = (() => {
  const isPrintable = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  const bytes = Array.from({ length: 256 }, (_, byte) => byte);
  return [...bytes.filter(isPrintable), ...bytes.filter((byte) => !isPrintable(byte))];
})();
