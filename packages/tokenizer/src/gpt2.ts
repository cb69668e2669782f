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
  const tokens = gpt2ByteOrder.map((byte): Uint8Array => Uint8Array.of(byte));
  const merges = new Int32Array(3 * count);
  for (let i = 0; i < count; i += 1) {
    const left = file.readUInt16LE(4 * i);
    const right = file.readUInt16LE(4 * i + 2);
    merges.set([left, right, tokens.length], 3 * i);
    tokens.push(joined(tokens[left]!, tokens[right]!));
  }
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

export function joined(left: Uint8Array, right: Uint8Array): Uint8Array {
  const both = new Uint8Array(left.length + right.length);
  both.set(left);
  both.set(right, left.length);
  return both;
}

/** Reads the vocabulary, which takes some 30 ms: make one and keep it. */
export const gpt2Tokenizer = (): BpeTokenizer => bpeTokenizer(gpt2Model());
