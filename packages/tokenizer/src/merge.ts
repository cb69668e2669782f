// The merge loop of byte-level BPE (Sennrich et al., ACL 2016; over bytes as in GPT-2): of all merges
// that are possible the one of lowest rank is done, the leftmost first, until none is.

import { enlarged } from "./byte_table.js";
import { heap } from "./heap.js";
import { NO_MERGE, type PairTable } from "./pair_table.js";

/** Replaces the first `count` tokens of `tokens` by what they merge to; returns how many are left. */
export type Merge = (tokens: Int32Array, count: number) => number;

/** Beyond this many tokens, looking through all of them for each merge takes longer than lists. */
const FEW = 48;

/** Merges by `pairs`: a few tokens by looking through them, many in n log n steps. */
export function merger(pairs: PairTable): Merge {
  const mergeFew = fewMerger(pairs);
  const mergeMany = manyMerger(pairs);
  return (tokens, count) => (count <= FEW ? mergeFew(tokens, count) : mergeMany(tokens, count));
}

export function fewMerger(pairs: PairTable): Merge {
  let ranks = new Int32Array(FEW);
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
      tokens[at] = pairs.merged(lowest);
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
 * Keeps for each rank the list of places where it is possible, and the ranks that have a list in a
 * heap. A rank's places are merged together, from left to right, unless a merge makes a lower rank
 * possible, which then goes first.
 */
export function manyMerger(pairs: PairTable): Merge {
  const offers = offerLists(pairs.rankCount);
  return (tokens, count) => {
    // The token at place i ends before next[i]; the rank is of merging it with the one after it.
    const next = new Int32Array(count);
    const previous = new Int32Array(count);
    const ranks = new Int32Array(count);
    const offer = (place: number): void => {
      const right = next[place]!;
      const rank = right < count ? pairs.rank(tokens[place]!, tokens[right]!) : NO_MERGE;
      ranks[place] = rank;
      if (rank !== NO_MERGE) offers.push(rank, place);
    };
    for (let place = 0; place < count; place += 1) {
      next[place] = place + 1;
      previous[place] = place - 1;
    }
    for (let place = 0; place < count; place += 1) offer(place);
    for (let rank = offers.lowest(); rank !== NO_MERGE; rank = offers.lowest()) {
      const merged = pairs.merged(rank);
      for (const place of offers.take(rank)) {
        // A merge nearby has changed what stands here, or what goes first.
        if (ranks[place] !== rank) continue;
        if (offers.lowest() < rank) {
          offer(place);
          continue;
        }
        const right = next[place]!;
        const end = next[right]!;
        tokens[place] = merged;
        next[place] = end;
        ranks[right] = NO_MERGE;
        if (end < count) previous[end] = place;
        if (place > 0) offer(previous[place]!);
        offer(place);
      }
    }
    let left = 0;
    for (let place = 0; place < count; place = next[place]!) {
      tokens[left] = tokens[place]!;
      left += 1;
    }
    return left;
  };
}

/** The places offered for each rank, as linked lists, and a heap of the ranks that have one. */
function offerLists(rankCount: number) {
  /** The newest offer of each rank + 1; 0 for none. */
  const newest = new Int32Array(rankCount);
  const waiting = heap<number>((a, b) => a < b);
  let place = new Int32Array(1024);
  let older = new Int32Array(1024);
  let used = 0;
  return {
    lowest: () => waiting.first() ?? NO_MERGE,
    push(rank: number, at: number): void {
      if (newest[rank] === 0) waiting.push(rank);
      if (used === place.length) {
        place = enlarged(place, Int32Array, used);
        older = enlarged(older, Int32Array, used);
      }
      place[used] = at;
      older[used] = newest[rank]!;
      used += 1;
      newest[rank] = used;
    },
    /** Removes the lowest rank's list; its places from left to right. */
    take(rank: number): Int32Array {
      waiting.pop();
      let count = 0;
      for (let at = newest[rank]!; at !== 0; at = older[at - 1]!) count += 1;
      const places = new Int32Array(count);
      let isSorted = true;
      for (let at = newest[rank]!; at !== 0; at = older[at - 1]!) {
        count -= 1;
        places[count] = place[at - 1]!;
        isSorted &&= count + 1 === places.length || places[count]! <= places[count + 1]!;
      }
      newest[rank] = 0;
      if (waiting.first() === undefined) used = 0;
      return isSorted ? places : places.sort();
    },
  };
}
