// GPT-2's tokenizer (Radford et al., 2019). gpt2.merges has its 50,000 merges in order, each as the ids of its two
// tokens (u16, little-endian).

import { readFileSync } from "node:fs";
import { bpeTokenizer, type BpeTokenizer } from "../bpe/bpe_tokenizer.js";
import { specialTokens } from "../bpe/added_token.js";
import { gpt2ByteOrder, type BpeModel } from "../bpe/model.js";
import type { Merges } from "../bpe/pair_table.js";
import type { TokenList } from "../bpe/token_list.js";
import { NO_TEMPLATE } from "../tokenizer.js";

const END_OF_TEXT = "<|endoftext|>";

/** GPT-2's vocabulary, id for id. */
export function gpt2Model(): BpeModel {
  const merges = readMerges();
  const endOfText = 256 + merges.length / 3;
  return {
    name: "gpt2",
    tokens: buildTokens(merges),
    merges,
    rankIsToken: false,
    ignoreMerges: true, // merging gives the same, more slowly
    normalizer: [],
    preTokenizer: ["gpt2"],
    added: specialTokens([[END_OF_TEXT, endOfText]]),
    unreachable: [endOfText],
    template: NO_TEMPLATE,
    endOfText,
  };
}

function readMerges(): Merges {
  const file = readFileSync(new URL("../../gpt2.merges", import.meta.url));
  const pairs = new Uint16Array(Uint8Array.from(file).buffer);
  const merges = new Int32Array((3 * pairs.length) / 2);
  for (let i = 0, id = 256; 2 * i < pairs.length; i += 1, id += 1) {
    merges[3 * i] = pairs[2 * i]!;
    merges[3 * i + 1] = pairs[2 * i + 1]!;
    merges[3 * i + 2] = id;
  }
  return merges;
}

/** The single bytes, the merged tokens, and the end of text. */
function buildTokens(merges: Merges): TokenList {
  const end = new TextEncoder().encode(END_OF_TEXT);
  const count = 256 + merges.length / 3;
  const starts = new Int32Array(count + 2);
  for (let id = 0; id < 256; id += 1) starts[id + 1] = id + 1;
  for (let id = 256, at = 0; id < count; id += 1, at += 3) {
    const [left, right] = [merges[at]!, merges[at + 1]!];
    const length = starts[left + 1]! - starts[left]! + starts[right + 1]! - starts[right]!;
    starts[id + 1] = starts[id]! + length;
  }
  starts[count + 1] = starts[count]! + end.length;
  const bytes = new Uint8Array(starts[count + 1]!);
  bytes.set(gpt2ByteOrder);
  bytes.set(end, starts[count]);
  for (let id = 256, at = 0; id < count; id += 1, at += 3) {
    let to = starts[id]!;
    for (let side = at; side < at + 2; side += 1) {
      const token = merges[side]!;
      for (let from = starts[token]!; from < starts[token + 1]!; from += 1, to += 1) {
        bytes[to] = bytes[from]!;
      }
    }
  }
  return { bytes, starts };
}

/** GPT-2's tokenizer. It takes about 30 ms to load: create one and keep it. */
export const gpt2Tokenizer = (): BpeTokenizer => bpeTokenizer(gpt2Model());
