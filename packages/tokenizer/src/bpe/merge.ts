// The merge loop of byte-level BPE (Sennrich et al., ACL 2016; over bytes as in GPT-2): of all possible merges, the one
// of the lowest rank is applied, leftmost first, until none is possible.

import { grow } from "./byte_table.js";
import { createHeap } from "./heap.js";
import { NO_MERGE, type PairTable } from "./pair_table.js";

/** Merges the first `count` tokens of `tokens` in position. Returns how many are left. */
export type Merge = (tokens: Int32Array, count: number) => number;

/** For more tokens than this, a scan for each merge takes longer than candidate lists. */
const MAX_LINEAR = 48;

/** Merges by `pairs`: few tokens by scans, many in O(n log n). */
export function createMerge(pairs: PairTable): Merge {
  const mergeFew = createLinearMerge(pairs);
  const mergeMany = createHeapMerge(pairs);
  return (tokens, count) =>
    count <= MAX_LINEAR ? mergeFew(tokens, count) : mergeMany(tokens, count);
}

export function createLinearMerge(pairs: PairTable): Merge {
  let ranks = new Int32Array(MAX_LINEAR);
  return (tokens, count) => {
    if (count > ranks.length) ranks = new Int32Array(count);
    let last = count - 1;
    for (let i = 0; i < last; i += 1) ranks[i] = pairs.rank(tokens[i]!, tokens[i + 1]!);
    for (;;) {
      let lowest = NO_MERGE;
      let at = 0;
      for (let i = 0; i < last; i += 1) {
        if (ranks[i]! < lowest) {
          lowest = ranks[i]!;
          at = i;
        }
      }
      if (lowest === NO_MERGE) return last + 1;
      tokens[at] = pairs.mergedToken(lowest);
      last -= 1;
      for (let i = at + 1; i <= last; i += 1) {
        tokens[i] = tokens[i + 1]!;
        ranks[i] = ranks[i + 1]!;
      }
      if (at > 0) ranks[at - 1] = pairs.rank(tokens[at - 1]!, tokens[at]!);
      ranks[at] = at < last ? pairs.rank(tokens[at]!, tokens[at + 1]!) : NO_MERGE;
    }
  };
}

/**
 * Keeps for each rank a list of the positions where it is possible, and a heap of the ranks that have a list. All
 * positions of a rank are merged from left to right, unless a merge makes a lower rank possible, which then goes first.
 */
export function createHeapMerge(pairs: PairTable): Merge {
  const candidates = createCandidateLists(pairs.rankCount);
  return (tokens, count) => {
    // The token at position i ends before next[i]; ranks[i] is that of merging it with the one after it.
    const next = new Int32Array(count);
    const previous = new Int32Array(count);
    const ranks = new Int32Array(count);
    const addCandidate = (position: number): void => {
      const right = next[position]!;
      const rank = right < count ? pairs.rank(tokens[position]!, tokens[right]!) : NO_MERGE;
      ranks[position] = rank;
      if (rank !== NO_MERGE) candidates.push(rank, position);
    };
    for (let position = 0; position < count; position += 1) {
      next[position] = position + 1;
      previous[position] = position - 1;
    }
    for (let position = 0; position < count; position += 1) addCandidate(position);
    for (let rank = candidates.lowest(); rank !== NO_MERGE; rank = candidates.lowest()) {
      const merged = pairs.mergedToken(rank);
      for (const position of candidates.take(rank)) {
        // A merge nearby has changed the token here, or made a lower rank possible.
        if (ranks[position] !== rank) continue;
        if (candidates.lowest() < rank) {
          addCandidate(position);
          continue;
        }
        const right = next[position]!;
        const end = next[right]!;
        tokens[position] = merged;
        next[position] = end;
        ranks[right] = NO_MERGE;
        if (end < count) previous[end] = position;
        if (position > 0) addCandidate(previous[position]!);
        addCandidate(position);
      }
    }
    let left = 0;
    for (let position = 0; position < count; position = next[position]!) {
      tokens[left] = tokens[position]!;
      left += 1;
    }
    return left;
  };
}

/** Candidate positions of each rank, as linked lists, and a heap of the ranks that have one. */
function createCandidateLists(rankCount: number) {
  /** The newest candidate of each rank + 1; 0 for none. */
  const newest = new Int32Array(rankCount);
  const waiting = createHeap<number>((a, b) => a < b);
  let position = new Int32Array(1024);
  let older = new Int32Array(1024);
  let used = 0;
  return {
    lowest: () => waiting.first() ?? NO_MERGE,
    push(rank: number, at: number): void {
      if (newest[rank] === 0) waiting.push(rank);
      if (used === position.length) {
        position = grow(position, Int32Array, used);
        older = grow(older, Int32Array, used);
      }
      position[used] = at;
      older[used] = newest[rank]!;
      used += 1;
      newest[rank] = used;
    },
    /** Removes the list of the lowest rank. Returns its positions from left to right. */
    take(rank: number): Int32Array {
      waiting.pop();
      let count = 0;
      for (let at = newest[rank]!; at !== 0; at = older[at - 1]!) count += 1;
      const positions = new Int32Array(count);
      let isSorted = true;
      for (let at = newest[rank]!; at !== 0; at = older[at - 1]!) {
        count -= 1;
        positions[count] = position[at - 1]!;
        isSorted &&= count + 1 === positions.length || positions[count]! <= positions[count + 1]!;
      }
      newest[rank] = 0;
      if (waiting.first() === undefined) used = 0;
      return isSorted ? positions : positions.sort();
    },
  };
}
