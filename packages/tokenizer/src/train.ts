// Training of a byte-level BPE: the pair of tokens that stands side by side most often becomes a
// token, again and again (Sennrich et al., ACL 2016).
//
// Ties: of pairs that are equally frequent the one whose left token has the lower id is taken, then
// the one whose right token has. This is the order of Hugging Face's trainer too.

import { UserError } from "@tessera/config";
import { gpt2ByteOrder, type BpeModel } from "./model.js";
import { pairCounter, type Words } from "./pair_counter.js";
import { tokenList } from "./token_list.js";
import { endOfTextAmong } from "./vocabulary_files.js";

export interface TrainingOptions {
  /** Special tokens and bytes included. */
  readonly vocabularySize: number;
  /** They have the first ids. */
  readonly specials?: readonly string[];
  /** A pair that is rarer is not merged. */
  readonly minFrequency?: number;
  /** Told how many merges are made, of how many; training goes on while it returns nothing. */
  readonly progress?: (done: number, total: number) => void;
}

/** A vocabulary for `words`; smaller than asked for where no pair is left. */
export function trainBpe(words: Words, options: TrainingOptions): BpeModel {
  const { vocabularySize, specials = ["<|endoftext|>"], minFrequency = 2, progress } = options;
  const reserved = specials.length + 256;
  if (vocabularySize < reserved) {
    throw new UserError(
      `a vocabulary of ${vocabularySize}: must be at least ${reserved}, for ${specials.length} ` +
        "special tokens and 256 bytes",
    );
  }
  const names = Object.fromEntries(specials.map((text, id) => [text, id]));
  const tokens: Uint8Array[] = [
    ...specials.map((text) => new TextEncoder().encode(text)),
    ...gpt2ByteOrder.map((byte) => Uint8Array.of(byte)),
  ];
  const firstByte = specials.length;
  const idOfByte = new Int32Array(256);
  gpt2ByteOrder.forEach((byte, i) => (idOfByte[byte] = firstByte + i));
  const merges: number[] = [];
  const pairs = pairCounter(words, idOfByte);
  const total = vocabularySize - reserved;
  const known = new Map(tokens.slice(firstByte).map((token, i) => [keyOf(token), firstByte + i]));
  for (;;) {
    if (tokens.length === vocabularySize) break;
    const best = pairs.mostFrequent();
    if (best === undefined || best.count < Math.max(1, minFrequency)) break;
    const bytes = Uint8Array.from([...tokens[best.left]!, ...tokens[best.right]!]);
    // Two pairs can make the same bytes: they are then one token.
    const id = known.get(keyOf(bytes)) ?? tokens.length;
    if (id === tokens.length) {
      tokens.push(bytes);
      known.set(keyOf(bytes), id);
    }
    merges.push(best.left, best.right, id);
    pairs.merge(best, id);
    progress?.(tokens.length - reserved, total);
  }
  return {
    name: "trained",
    tokens: tokenList(tokens),
    merges: Int32Array.from(merges),
    rankIsToken: false,
    wholePieces: false,
    pattern: "gpt2",
    specials: names,
    endOfText: endOfTextAmong(names),
  };
}

const keyOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");
