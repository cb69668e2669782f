// A tokenizer of a byte-level BPE.

import { bytesEncoder } from "./encoder.js";
import { idList, type IdList } from "./ids.js";
import type { BpeModel } from "./model.js";
import { textOf, type Text } from "./piece_table.js";
import { specialFinder } from "./specials.js";
import { tokenAt, tokenCount } from "./token_list.js";
import { decodeAll, type EncodeOptions, type Tokenizer } from "./tokenizer.js";

export interface BpeTokenizer extends Tokenizer {
  /** What it was made of. */
  readonly model: BpeModel;
  /** The ids of any bytes; those that are not UTF-8 are each taken for a sign. */
  encodeBytes(bytes: Uint8Array, options?: EncodeOptions): Int32Array;
  /** Appends the ids of `text` to a list. */
  encodeTo(ids: IdList, text: string, options?: EncodeOptions): void;
}

export function bpeTokenizer(model: BpeModel): BpeTokenizer {
  const vocabularySize = tokenCount(model.tokens);
  const encodeText = bytesEncoder(model);
  const ids = idList();
  const findSpecials = specialFinder(model.specials);
  const utf8 = utf8Writer();
  const bytesOf = (id: number): Uint8Array | undefined => {
    if (!Number.isInteger(id) || id < 0 || id >= vocabularySize) return undefined;
    const bytes = tokenAt(model.tokens, id);
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
  const taken = (utf8: Utf8, options?: EncodeOptions): Int32Array => {
    ids.length = 0; // where a text was refused, some are left of it
    encode(ids, utf8, options);
    return ids.take();
  };
  return {
    name: model.name,
    model,
    vocabularySize,
    endOfText: model.endOfText,
    encode: (text, options) => taken(utf8(text), options),
    encodeTo: (list, text, options) => encode(list, utf8(text), options),
    encodeBytes: (bytes, options) => taken({ text: textOf(bytes), length: bytes.length }, options),
    decode: (some) => decodeAll(bytesOf, some),
    bytesOf,
  };
}

/** Text as the first `length` bytes of a memory. */
interface Utf8 {
  readonly text: Text;
  readonly length: number;
}

const SCRATCH_BYTES = 2 ** 16;

/** Writes texts as UTF-8: short ones to one memory, where each is good until the next. */
function utf8Writer(): (text: string) => Utf8 {
  const scratch = Buffer.alloc(SCRATCH_BYTES);
  const short = textOf(scratch);
  return (text) => {
    // A unit of UTF-16 takes three bytes at most.
    if (3 * text.length <= SCRATCH_BYTES) return { text: short, length: scratch.write(text) };
    const bytes = Buffer.from(text, "utf8");
    return { text: textOf(bytes), length: bytes.length };
  };
}
