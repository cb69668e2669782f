// A hash table of merges: the rank of a pair of tokens, and the token that it becomes.

export interface PairTable {
  /** The rank of merging `left` with `right`; the lowest goes first. NO_MERGE for none. */
  rank(left: number, right: number): number;
  /** The token that a merge of this rank makes. */
  mergedToken(rank: number): number;
  /** Ranks are below this. */
  readonly rankCount: number;
}

export const NO_MERGE = 0x7fffffff;

/** Merges in the order of their ranks, three ids each: left, right, merged. */
export type Merges = Int32Array;

const FIELDS = 4; // left + 1, right, rank, unused: a slot is within one cache line

/**
 * A table of `merges`. With `rankIsToken` the rank of a merge is the token that it makes, as in tiktoken's files, where
 * several pairs can make the same; else it is its index in the list.
 */
export function createPairTable(merges: Merges, rankIsToken: boolean): PairTable {
  const count = merges.length / 3;
  const size = 2 ** Math.ceil(Math.log2(2 * count + 2));
  const shift = 32 - Math.log2(size);
  const mask = size - 1;
  const slots = new Int32Array(FIELDS * size);
  const slotOf = (left: number, right: number): number =>
    Math.imul(Math.imul(left, 0x9e3779b1) ^ right, 0x85ebca6b) >>> shift;
  const merged = new Int32Array(count);
  const insert = (left: number, right: number, rank: number): void => {
    let at = FIELDS * slotOf(left, right);
    while (slots[at] !== 0) {
      // The same pair again: its last rank holds, as in Hugging Face's tokenizers.
      if (slots[at] === left + 1 && slots[at + 1] === right) break;
      at = (at + FIELDS) & (FIELDS * mask);
    }
    slots[at] = left + 1;
    slots[at + 1] = right;
    slots[at + 2] = rank;
  };
  for (let i = 0, from = 0; i < count; i += 1, from += 3) {
    const token = merges[from + 2]!;
    merged[i] = token;
    insert(merges[from]!, merges[from + 1]!, rankIsToken ? token : i);
  }
  let rankCount = count;
  if (rankIsToken) for (const token of merged) rankCount = Math.max(rankCount, token + 1);
  return {
    rankCount,
    mergedToken: rankIsToken ? (rank) => rank : (rank) => merged[rank]!,
    rank(left, right) {
      let at = FIELDS * slotOf(left, right);
      for (;;) {
        const found = slots[at]!;
        if (found === left + 1 && slots[at + 1] === right) return slots[at + 2]!;
        if (found === 0) return NO_MERGE;
        at = (at + FIELDS) & (FIELDS * mask);
      }
    },
  };
}
