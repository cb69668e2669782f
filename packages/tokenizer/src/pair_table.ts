// Which two tokens may be merged, at which rank, and into what.

export interface PairTable {
  /** The rank of merging `left` with `right`: the lowest goes first. NO_MERGE where there is none. */
  rank(left: number, right: number): number;
  /** The token that a merge of this rank makes. */
  merged(rank: number): number;
  /** Ranks are below this. */
  readonly rankCount: number;
}

export const NO_MERGE = 0x7fffffff;

/** Merges in the order of their ranks: left, right and merged token of each. */
export type Merges = Int32Array;

const FIELDS = 4; // left + 1, right, rank, unused: a slot lies within one line of cache

/**
 * A table of `merges`. With `rankIsToken` a merge's rank is the token that it makes, as in tiktoken's
 * files, where several pairs can make the same; else it is its place in the list.
 */
export function pairTable(merges: Merges, rankIsToken: boolean): PairTable {
  const count = merges.length / 3;
  const size = 2 ** Math.ceil(Math.log2(2 * count + 2));
  const shift = 32 - Math.log2(size);
  const mask = size - 1;
  const slots = new Int32Array(FIELDS * size);
  const slotOf = (left: number, right: number): number =>
    Math.imul(Math.imul(left, 0x9e3779b1) ^ right, 0x85ebca6b) >>> shift;
  const merged = new Int32Array(count);
  for (let i = 0; i < count; i += 1) merged[i] = merges[3 * i + 2]!;
  for (let i = 0; i < count; i += 1) {
    const left = merges[3 * i]!;
    const right = merges[3 * i + 1]!;
    let slot = slotOf(left, right);
    while (slots[FIELDS * slot] !== 0) {
      if (slots[FIELDS * slot] === left + 1 && slots[FIELDS * slot + 1] === right) break;
      slot = (slot + 1) & mask;
    }
    if (slots[FIELDS * slot] !== 0) continue; // the same pair again: its first rank holds
    slots[FIELDS * slot] = left + 1;
    slots[FIELDS * slot + 1] = right;
    slots[FIELDS * slot + 2] = rankIsToken ? merged[i]! : i;
  }
  let rankCount = count;
  if (rankIsToken) for (const token of merged) rankCount = Math.max(rankCount, token + 1);
  return {
    rankCount,
    merged: rankIsToken ? (rank) => rank : (rank) => merged[rank]!,
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
