// A byte-level BPE as plain data, which files hold and worker threads can be sent.

import type { Merges } from "./pair_table.js";
import type { Pattern } from "./pattern.js";
import type { TokenList } from "./token_list.js";

export interface BpeModel {
  readonly name: string;
  readonly tokens: TokenList;
  readonly merges: Merges;
  /** See `pairTable`. */
  readonly rankIsToken: boolean;
  /** A piece that is a token is not merged. */
  readonly wholePieces: boolean;
  readonly pattern: Pattern;
  /** The ids that no text has of itself, by what stands for them in text. */
  readonly specials: Readonly<Record<string, number>>;
  /** The special token that stands between documents. */
  readonly endOfText: number | null;
}

/** Byte i of this list has id i in GPT-2: those that can be seen come first. */
export const gpt2ByteOrder: readonly number[] = (() => {
  const seen = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  const bytes = Array.from({ length: 256 }, (_, byte) => byte);
  return [...bytes.filter(seen), ...bytes.filter((byte) => !seen(byte))];
})();
