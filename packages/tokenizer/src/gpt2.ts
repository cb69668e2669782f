// GPT-2's tokenizer (Radford et al., 2019). gpt2.merges holds its 50,000 merges in order, each as the
// ids of its two tokens, 16 bits each, little-endian.

import { readFileSync } from "node:fs";
import { bpeTokenizer, type BpeTokenizer } from "./bpe.js";
import { gpt2ByteOrder, type BpeModel } from "./model.js";

const END_OF_TEXT = "<|endoftext|>";

/** GPT-2's vocabulary, id for id. */
export function gpt2Model(): BpeModel {
  const file = readFileSync(new URL("../gpt2.merges", import.meta.url));
  const count = file.length / 4;
  const merges = new Int32Array(3 * count);
  for (let i = 0; i < count; i += 1) {
    merges[3 * i] = file.readUInt16LE(4 * i);
    merges[3 * i + 1] = file.readUInt16LE(4 * i + 2);
    merges[3 * i + 2] = 256 + i;
  }
  const tokens = bytesOfTokens(merges);
  const endOfText = tokens.length;
  tokens.push(new TextEncoder().encode(END_OF_TEXT));
  return {
    name: "gpt2",
    tokens,
    merges,
    rankIsToken: false,
    wholePieces: false,
    pattern: "gpt2",
    specials: { [END_OF_TEXT]: endOfText },
    endOfText,
  };
}

/** All in one piece of memory: 50,000 pieces would take long to make, and to send to threads. */
function bytesOfTokens(merges: Int32Array): Uint8Array[] {
  const count = 256 + merges.length / 3;
  const starts = new Int32Array(count + 1);
  const lengthOf = (id: number) => starts[id + 1]! - starts[id]!;
  for (let id = 0; id < count; id += 1) {
    const at = 3 * (id - 256);
    const length = id < 256 ? 1 : lengthOf(merges[at]!) + lengthOf(merges[at + 1]!);
    starts[id + 1] = starts[id]! + length;
  }
  const bytes = Uint8Array.from({ length: starts[count]! }, (_, i) => gpt2ByteOrder[i] ?? 0);
  for (let id = 256; id < count; id += 1) {
    const [left, right] = [merges[3 * (id - 256)]!, merges[3 * (id - 256) + 1]!];
    bytes.copyWithin(starts[id]!, starts[left]!, starts[left + 1]);
    bytes.copyWithin(starts[id]! + lengthOf(left), starts[right]!, starts[right + 1]);
  }
  return Array.from({ length: count }, (_, id) => bytes.subarray(starts[id], starts[id + 1]));
}

/** Reads the vocabulary, which takes some 30 ms: make one and keep it. */
export const gpt2Tokenizer = (): BpeTokenizer => bpeTokenizer(gpt2Model());
