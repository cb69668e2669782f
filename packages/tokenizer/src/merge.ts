// The merge loop of byte-level BPE (Sennrich et al., ACL 2016; over bytes as in GPT-2). The
// symbols of a piece form a linked list and the possible merges a heap, so that a piece of n bytes
// takes n log n steps, whatever it holds.

import { heap } from "./heap.js";
import type { Vocabulary } from "./vocabulary.js";

/** A merge as one number that sorts by rank, then by position: rank x 2^32 + position. */
const POSITIONS = 2 ** 32;

/**
 * The ids of one piece, its bytes given as a binary string. The vocabulary must hold every single
 * byte.
 */
export function merge(piece: string, { idOf, longest }: Vocabulary): Int32Array {
  const whole = piece.length <= longest ? idOf.get(piece) : undefined;
  if (whole !== undefined) return Int32Array.of(whole);

  const size = piece.length;
  // The symbol that starts at byte i ends before next[i]; bytes inside a symbol have next 0.
  const next = Int32Array.from({ length: size }, (_, i) => i + 1);
  const previous = Int32Array.from({ length: size }, (_, i) => i - 1);
  const merges = heap();

  /** The rank of merging the symbol at `first` with its right neighbour, if there is such a token. */
  const rankAt = (first: number): number | undefined => {
    const middle = next[first]!;
    if (middle === 0 || middle >= size) return undefined;
    const end = next[middle]!;
    return end - first > longest ? undefined : idOf.get(piece.slice(first, end));
  };
  const offer = (first: number): void => {
    const rank = first < 0 ? undefined : rankAt(first);
    if (rank !== undefined) merges.push(rank * POSITIONS + first);
  };

  for (let first = 0; first < size - 1; first += 1) offer(first);
  for (let best = merges.pop(); best !== undefined; best = merges.pop()) {
    const first = best % POSITIONS;
    // A merge nearby has changed what stands here since this one was offered.
    if (rankAt(first) !== (best - first) / POSITIONS) continue;
    const middle = next[first]!;
    const end = next[middle]!;
    next[first] = end;
    next[middle] = 0;
    if (end < size) previous[end] = first;
    offer(previous[first]!);
    offer(first);
  }

  const ids: number[] = [];
  for (let at = 0; at < size; at = next[at]!) ids.push(idOf.get(piece.slice(at, next[at]))!);
  return Int32Array.from(ids);
}
