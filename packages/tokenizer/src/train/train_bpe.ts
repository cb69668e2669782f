// Training of a byte-level BPE: the most frequent adjacent pair of tokens becomes a token, again and again (Sennrich et
// al., ACL 2016). Ties go to the lower left id, then to the lower right id, as in Hugging Face's trainer.

import { UserError } from "@tessera/config";
import { gpt2ByteOrder, type BpeModel } from "../bpe/model.js";
import { createPairCounter, type WordCounts } from "./pair_counter.js";
import { specialTokens } from "../bpe/added_token.js";
import { createTokenList } from "../bpe/token_list.js";
import { findEndOfText } from "../formats/vocabulary_files.js";
import { NO_TEMPLATE } from "../tokenizer.js";

/** How a vocabulary is trained. */
export interface TrainingOptions {
  /** Special tokens and the 256 bytes included. */
  readonly vocabularySize: number;
  /** Special tokens, which get the first ids. Default: `<|endoftext|>`. */
  readonly specials?: readonly string[];
  /** Rarer pairs are not merged. Default: 2. */
  readonly minFrequency?: number;
  /** Called after each merge with the number of tokens made, and how many are wanted. */
  readonly progress?: (done: number, total: number) => void;
}

/**
 * Trains a vocabulary for `words`; it is smaller than asked for where no pair is left.
 *
 * @throws UserError where `vocabularySize` has no space for the special tokens and the bytes.
 */
export function trainBpe(words: WordCounts, options: TrainingOptions): BpeModel {
  const { vocabularySize, specials = ["<|endoftext|>"], minFrequency = 2, progress } = options;
  const reserved = specials.length + 256;
  if (vocabularySize < reserved) {
    throw new UserError(
      `a vocabulary of ${vocabularySize}: must be at least ${reserved}, for ${specials.length} ` +
        "special tokens and 256 bytes",
    );
  }
  const names = new Map(specials.map((text, id) => [text, id]));
  const tokens: Uint8Array[] = [
    ...specials.map((text) => new TextEncoder().encode(text)),
    ...gpt2ByteOrder.map((byte) => Uint8Array.of(byte)),
  ];
  const firstByte = specials.length;
  const idOfByte = new Int32Array(256);
  gpt2ByteOrder.forEach((byte, i) => (idOfByte[byte] = firstByte + i));
  const merges: number[] = [];
  const pairs = createPairCounter(words, idOfByte);
  const total = vocabularySize - reserved;
  const known = new Map(tokens.slice(firstByte).map((token, i) => [keyOf(token), firstByte + i]));
  for (;;) {
    if (tokens.length === vocabularySize) break;
    const best = pairs.mostFrequent();
    if (best === undefined || best.count < Math.max(1, minFrequency)) break;
    const bytes = Uint8Array.from([...tokens[best.left]!, ...tokens[best.right]!]);
    // Two pairs with the same bytes make one token.
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
    tokens: createTokenList(tokens),
    merges: Int32Array.from(merges),
    rankIsToken: false,
    ignoreMerges: false,
    normalizer: [],
    preTokenizer: ["gpt2"],
    added: specialTokens(names),
    unreachable: [...names.values()],
    template: NO_TEMPLATE,
    endOfText: findEndOfText(names),
  };
}

const keyOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");
