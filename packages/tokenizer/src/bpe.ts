// A tokenizer of a byte-level BPE.

import { bytesEncoder } from "./encoder.js";
import { idList } from "./ids.js";
import type { BpeModel } from "./model.js";
import { specialFinder } from "./specials.js";
import { decodeAll, type EncodeOptions, type Tokenizer } from "./tokenizer.js";

export interface BpeTokenizer extends Tokenizer {
  /** What it was made of. */
  readonly model: BpeModel;
  /** The ids of any bytes; those that are not UTF-8 are each taken for a sign. */
  encodeBytes(bytes: Uint8Array, options?: EncodeOptions): Int32Array;
}

export function bpeTokenizer(model: BpeModel): BpeTokenizer {
  const encode = bytesEncoder(model);
  const ids = idList();
  const findSpecials = specialFinder(model.specials);
  const bytesOf = (id: number): Uint8Array | undefined => {
    const bytes = model.tokens[id];
    return bytes?.length === 0 ? undefined : bytes;
  };
  const encodeBytes = (bytes: Uint8Array, { special = "text" }: EncodeOptions = {}): Int32Array => {
    let at = 0;
    const found = special === "text" ? [] : [...findSpecials(bytes, special)];
    for (const { start, end, id } of found) {
      encode(bytes, at, start, ids);
      ids.push(id);
      at = end;
    }
    encode(bytes, at, bytes.length, ids);
    return ids.take();
  };
  return {
    name: model.name,
    model,
    vocabularySize: model.tokens.length,
    endOfText: model.endOfText,
    encode: (text, options) => encodeBytes(Buffer.from(text, "utf8"), options),
    encodeBytes,
    decode: (ids) => decodeAll(bytesOf, ids),
    bytesOf,
  };
}
