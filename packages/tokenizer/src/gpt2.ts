// GPT-2's tokenizer: text is split into pieces by a regular expression, and each piece is merged
// by byte-level BPE (Radford et al., 2019). The vocabulary is the one that gpt-tokenizer carries.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cache } from "./cache.js";
import { idList } from "./ids.js";
import { merge } from "./merge.js";
import { decodeAll, type Tokenizer } from "./tokenizer.js";
import { parseRanks, type Vocabulary } from "./vocabulary.js";

const END_OF_TEXT = "<|endoftext|>";

/**
 * GPT-2's split. White space is spelled out, because JavaScript's \s takes U+FEFF for a space and
 * U+0085 for none, unlike the original.
 */
const PIECE =
  /'(?:[stmd]|re|ve|ll)| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

const CACHED_PIECES = 32_768;
const CACHED_LENGTH = 64;

/** Reads the vocabulary, which takes some 50 ms: make one and keep it. */
export function gpt2Tokenizer(): Tokenizer {
  const vocabulary = parseRanks(
    readFileSync(
      createRequire(import.meta.url).resolve("gpt-tokenizer/data/r50k_base.tiktoken"),
      "ascii",
    ),
  );
  const endOfText = vocabulary.bytes.length;
  const endBytes = new TextEncoder().encode(END_OF_TEXT);
  const bytesOf = (id: number): Uint8Array | undefined =>
    id === endOfText ? endBytes : vocabulary.bytes[id];
  return {
    name: "gpt2",
    vocabularySize: endOfText + 1,
    endOfText,
    encode: encoder(vocabulary),
    decode: (ids) => decodeAll(bytesOf, ids),
    bytesOf,
  };
}

function encoder(vocabulary: Vocabulary): (text: string) => Int32Array {
  const known = cache<Int32Array>(CACHED_PIECES);
  const idsOf = (piece: string): Int32Array => {
    const cached = known.get(piece);
    if (cached !== undefined) return cached;
    const bytes = Buffer.from(piece, "utf8");
    const ids = merge(bytes.toString("latin1"), vocabulary);
    // The key is a copy: a piece is a slice of its text, and would keep all of it in memory.
    if (piece.length <= CACHED_LENGTH) known.set(bytes.toString("utf8"), ids);
    return ids;
  };
  return (text) => {
    const ids = idList(Math.ceil(text.length / 3));
    for (const [piece] of text.matchAll(PIECE)) ids.push(idsOf(piece));
    return ids.all();
  };
}
