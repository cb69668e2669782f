// Counts adjacent pairs of tokens in words, and updates the counts while pairs are merged.

import { createHeap } from "../bpe/heap.js";

/** Distinct pieces of text and their counts. */
export interface WordCounts {
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
  /** Ties go to the lower left token, then the lower right one. Undefined for no pair. */
  mostFrequent(): CountedPair | undefined;
  /** Replaces the pair by token `id` in all words. */
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

/** A pair with its count at the time it was pushed. */
interface Candidate {
  readonly pair: Pair;
  readonly count: number;
}

const isBefore = (a: Candidate, b: Candidate): boolean => {
  if (a.count !== b.count) return a.count > b.count;
  return a.pair.left === b.pair.left ? a.pair.right < b.pair.right : a.pair.left < b.pair.left;
};

export function createPairCounter(words: WordCounts, idOfByte: Int32Array): PairCounter {
  const row = tokenizeWords(words, idOfByte);
  const pairs = new Map<number, Pair>();
  const queue = createHeap<Candidate>(isBefore);
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
  const pushChanged = (): void => {
    for (const pair of changed) queue.push({ pair, count: pair.count });
    changed = new Set();
  };
  for (let word = 0; word < words.size; word += 1) {
    const start = row.starts[word]!;
    for (let i = start; i < start + row.sizes[word]! - 1; i += 1) {
      add(row.tokens[i]!, row.tokens[i + 1]!, words.count(word), word);
    }
  }
  pushChanged();

  return {
    mostFrequent() {
      for (let best = queue.pop(); best !== undefined; best = queue.pop()) {
        const { pair, count } = best;
        if (pairs.get(pair.left * IDS + pair.right) !== pair) continue;
        if (pair.count === count) return pair;
        // Merges nearby have lowered the count since.
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
      pairs.delete(key); // the updates above added it again
      pushChanged();
    },
  };
}

/** Tokens of all words: word w is tokens[starts[w], starts[w] + sizes[w]). */
interface WordTokens {
  readonly tokens: Int32Array;
  readonly starts: Int32Array;
  readonly sizes: Int32Array;
}

/** Merges in one word. Reports the pairs that it removes (-1) and adds (1). */
function mergeWord(
  { tokens, starts, sizes }: WordTokens,
  word: number,
  { left, right, id }: { readonly left: number; readonly right: number; readonly id: number },
  report: (left: number, right: number, sign: 1 | -1) => void,
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
      report(tokens[kept - 1]!, left, -1);
      report(tokens[kept - 1]!, id, 1);
    }
    if (at + 2 < end) {
      report(right, tokens[at + 2]!, -1);
      report(id, tokens[at + 2]!, 1);
    }
    tokens[kept] = id;
    at += 2;
  }
  sizes[word] = kept - start;
}

function tokenizeWords(words: WordCounts, idOfByte: Int32Array): WordTokens {
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
