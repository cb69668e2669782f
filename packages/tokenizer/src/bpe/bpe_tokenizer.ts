// The tokenizer of a byte-level BPE model.

import { createEncoder } from "./encoder.js";
import { createIdList, type IdList } from "./id_list.js";
import type { BpeModel } from "./model.js";
import { toByteText, type ByteText } from "./piece_table.js";
import { createSpecialFinder } from "./specials.js";
import { tokenBytes, tokenCount } from "./token_list.js";
import { decodeAll, type EncodeOptions, type Tokenizer } from "../tokenizer.js";

/** A tokenizer with a BPE model, which also encodes bytes. */
export interface BpeTokenizer extends Tokenizer {
  /** The model it was built from. */
  readonly model: BpeModel;
  /** The ids of any bytes. A byte that is not UTF-8 counts as a symbol of its own. */
  encodeBytes(bytes: Uint8Array, options?: EncodeOptions): Int32Array;
  /** Appends the ids of `text` to a list. */
  encodeTo(ids: IdList, text: string, options?: EncodeOptions): void;
}

/**
 * The tokenizer of `model`. Its `encode` throws a UserError for a special token where `special` is "refuse".
 */
export function bpeTokenizer(model: BpeModel): BpeTokenizer {
  const vocabularySize = tokenCount(model.tokens);
  const encodeText = createEncoder(model);
  const ids = createIdList();
  const findSpecials = createSpecialFinder(model.specials);
  const utf8 = createUtf8Writer();
  const bytesOf = (id: number): Uint8Array | undefined => {
    if (!Number.isInteger(id) || id < 0 || id >= vocabularySize) return undefined;
    const bytes = tokenBytes(model.tokens, id);
    return bytes.length === 0 ? undefined : bytes;
  };
  const encode = (
    list: IdList,
    { text, length }: Utf8,
    { special = "text" }: EncodeOptions = {},
  ): void => {
    let at = 0;
    if (special !== "text") {
      for (const { start, end, id } of findSpecials(text.bytes.subarray(0, length), special)) {
        encodeText(text, at, start, list);
        list.push(id);
        at = end;
      }
    }
    encodeText(text, at, length, list);
  };
  const encodeAll = (utf8: Utf8, options?: EncodeOptions): Int32Array => {
    ids.length = 0; // a text that was refused leaves some
    encode(ids, utf8, options);
    return ids.take();
  };
  return {
    name: model.name,
    model,
    vocabularySize,
    endOfText: model.endOfText,
    encode: (text, options) => encodeAll(utf8(text), options),
    encodeTo: (list, text, options) => encode(list, utf8(text), options),
    encodeBytes: (bytes, options) =>
      encodeAll({ text: toByteText(bytes), length: bytes.length }, options),
    decode: (some) => decodeAll(bytesOf, some),
    bytesOf,
  };
}

/** Text as the first `length` bytes of a buffer. */
interface Utf8 {
  readonly text: ByteText;
  readonly length: number;
}

const SCRATCH_BYTES = 2 ** 16;

/** Encodes texts as UTF-8: short ones into one buffer, where each is valid until the next. */
function createUtf8Writer(): (text: string) => Utf8 {
  const scratch = Buffer.alloc(SCRATCH_BYTES);
  const short = toByteText(scratch);
  return (text) => {
    // A UTF-16 code unit takes at most three bytes.
    if (3 * text.length <= SCRATCH_BYTES) return { text: short, length: scratch.write(text) };
    const bytes = Buffer.from(text, "utf8");
    return { text: toByteText(bytes), length: bytes.length };
  };
}
