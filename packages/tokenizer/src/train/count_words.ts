// Counts the pieces of texts, from which a vocabulary is trained.

import { createByteTable } from "../bpe/byte_table.js";
import type { WordCounts } from "./pair_counter.js";
import { gpt2PieceEnd } from "../bpe/gpt2_pattern.js";

/** Counts that grow with each text. */
export interface WordCounter extends WordCounts {
  /** Counts the pieces of a text, or of a chunk of it as `readChunks` gives them. */
  add(bytes: Uint8Array): void;
}

/** Starts to count. Pieces are those of GPT-2's pattern. */
export function countWords(): WordCounter {
  const table = createByteTable(2 ** 16);
  let counts = new Float64Array(2 ** 16);
  return {
    get size() {
      return table.size;
    },
    at: (index) => table.at(index),
    count: (index) => counts[index]!,
    add(bytes) {
      for (let at = 0; at < bytes.length;) {
        const end = gpt2PieceEnd(bytes, at, bytes.length);
        let index = table.find(bytes, at, end);
        if (index < 0) index = table.add(bytes, at, end);
        if (index === counts.length) {
          const larger = new Float64Array(2 * index);
          larger.set(counts);
          counts = larger;
        }
        counts[index]! += 1;
        at = end;
      }
    },
  };
}
