// The tokenizer without a vocabulary: one id per byte of UTF-8.

import type { BpeModel } from "./bpe/model.js";
import { decodeAll, NO_TEMPLATE, type Tokenizer } from "./tokenizer.js";

const EVERY_BYTE = Uint8Array.from({ length: 256 }, (_, byte) => byte);
const bytesOf = (id: number): Uint8Array | undefined =>
  EVERY_BYTE[id] === undefined ? undefined : EVERY_BYTE.subarray(id, id + 1);

/** The same as a BPE model without merges, which can be saved. */
export const byteModel: BpeModel = {
  name: "bytes",
  tokens: { bytes: EVERY_BYTE, starts: Int32Array.from({ length: 257 }, (_, id) => id) },
  merges: new Int32Array(),
  rankIsToken: false,
  ignoreMerges: false,
  normalizer: [],
  preTokenizer: ["gpt2"],
  added: [],
  unreachable: [],
  template: NO_TEMPLATE,
  endOfText: null,
};

/** 256 ids, one per byte; it has no end-of-text id. */
export const byteTokenizer: Tokenizer = {
  name: "bytes",
  vocabularySize: 256,
  endOfText: null,
  addedTokens: new Map(),
  template: NO_TEMPLATE,
  encode: (text) => Int32Array.from(new TextEncoder().encode(text)),
  decode: (ids) => decodeAll(bytesOf, ids),
  bytesOf,
};
