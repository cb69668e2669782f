// How often two tokens stand side by side in words, kept true while tokens are merged.

import { heap } from "./heap.js";

/** Different pieces of text, and how often each was met. */
export interface Words {
  readonly size: number;
  /** Borrowed. */
  at(index: number): Uint8Array;
  count(index: number): number;
}

export interface CountedPair {
  readonly left: number;
  readonly right: number;
  readonly count: number;
}

export interface PairCounter {
  /** Ties: the lower left token, then the lower right one. Undefined where there is no pair. */
  mostFrequent(): CountedPair | undefined;
  /** Puts token `id` wherever the pair stands. */
  merge(pair: CountedPair, id: number): void;
}

interface Pair {
  readonly left: number;
  readonly right: number;
  count: number;
  /** Words that have it, or had it. */
  readonly words: number[];
}

const IDS = 2 ** 21;

/** A pair as it was when it was put into the heap. */
interface Offer {
  readonly pair: Pair;
  readonly count: number;
}

const isBefore = (a: Offer, b: Offer): boolean => {
  if (a.count !== b.count) return a.count > b.count;
  return a.pair.left === b.pair.left ? a.pair.right < b.pair.right : a.pair.left < b.pair.left;
};

export function pairCounter(words: Words, idOfByte: Int32Array): PairCounter {
  const row = tokensOfWords(words, idOfByte);
  const pairs = new Map<number, Pair>();
  const queue = heap<Offer>(isBefore);
  let changed = new Set<Pair>();

  const add = (left: number, right: number, count: number, word: number): void => {
    const key = left * IDS + right;
    let pair = pairs.get(key);
    if (pair === undefined) {
      pair = { left, right, count: 0, words: [] };
      pairs.set(key, pair);
    }
    pair.count += count;
    if (count > 0) {
      changed.add(pair);
      if (pair.words.at(-1) !== word) pair.words.push(word);
    }
  };
  const offerChanged = (): void => {
    for (const pair of changed) queue.push({ pair, count: pair.count });
    changed = new Set();
  };
  for (let word = 0; word < words.size; word += 1) {
    const start = row.starts[word]!;
    for (let i = start; i < start + row.sizes[word]! - 1; i += 1) {
      add(row.tokens[i]!, row.tokens[i + 1]!, words.count(word), word);
    }
  }
  offerChanged();

  return {
    mostFrequent() {
      for (let best = queue.pop(); best !== undefined; best = queue.pop()) {
        const { pair, count } = best;
        if (pairs.get(pair.left * IDS + pair.right) !== pair) continue;
        if (pair.count === count) return pair;
        // Merges nearby took from it since.
        if (pair.count > 0 && pair.count < count) queue.push({ pair, count: pair.count });
      }
      return undefined;
    },
    merge(pair, id) {
      const key = pair.left * IDS + pair.right;
      const { words: held } = pairs.get(key)!;
      pairs.delete(key);
      for (const word of held) {
        const count = words.count(word);
        mergeWord(row, word, { ...pair, id }, (left, right, sign) =>
          add(left, right, sign * count, word),
        );
      }
      pairs.delete(key); // what merging took from it
      offerChanged();
    },
  };
}

/** The tokens of all words: those of word w are the first `sizes[w]` from `starts[w]` on. */
interface WordTokens {
  readonly tokens: Int32Array;
  readonly starts: Int32Array;
  readonly sizes: Int32Array;
}

/** Merges in one word; tells which pairs stand there no more (-1), and which now do (1). */
function mergeWord(
  { tokens, starts, sizes }: WordTokens,
  word: number,
  { left, right, id }: { readonly left: number; readonly right: number; readonly id: number },
  tell: (left: number, right: number, sign: 1 | -1) => void,
): void {
  const start = starts[word]!;
  const end = start + sizes[word]!;
  let kept = start;
  for (let at = start; at < end; kept += 1) {
    if (tokens[at] !== left || at + 1 === end || tokens[at + 1] !== right) {
      tokens[kept] = tokens[at]!;
      at += 1;
      continue;
    }
    if (kept > start) {
      tell(tokens[kept - 1]!, left, -1);
      tell(tokens[kept - 1]!, id, 1);
    }
    if (at + 2 < end) {
      tell(right, tokens[at + 2]!, -1);
      tell(id, tokens[at + 2]!, 1);
    }
    tokens[kept] = id;
    at += 2;
  }
  sizes[word] = kept - start;
}

function tokensOfWords(words: Words, idOfByte: Int32Array): WordTokens {
  const starts = new Int32Array(words.size + 1);
  for (let i = 0; i < words.size; i += 1) starts[i + 1] = starts[i]! + words.at(i).length;
  const tokens = new Int32Array(starts[words.size]!);
  const sizes = new Int32Array(words.size);
  for (let i = 0; i < words.size; i += 1) {
    const word = words.at(i);
    sizes[i] = word.length;
    for (let j = 0; j < word.length; j += 1) tokens[starts[i]! + j] = idOfByte[word[j]!]!;
  }
  return { tokens, starts, sizes };
}
