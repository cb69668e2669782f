// The pieces of texts, counted: what training learns from.

import { byteTable } from "./byte_table.js";
import type { Words } from "./pair_counter.js";
import { splitterOf } from "./pattern.js";

export interface WordCounter extends Words {
  /** Counts the pieces of a text, or of a chunk of it as `fileChunks` gives them. */
  add(bytes: Uint8Array): void;
}

export function countWords(): WordCounter {
  const split = splitterOf("gpt2");
  const table = byteTable(2 ** 16);
  let counts = new Float64Array(2 ** 16);
  return {
    get size() {
      return table.size;
    },
    at: (index) => table.at(index),
    count: (index) => counts[index]!,
    add(bytes) {
      const pieceEnd = split(bytes, 0, bytes.length);
      for (let at = 0; at < bytes.length;) {
        const end = pieceEnd(bytes, at, bytes.length);
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
