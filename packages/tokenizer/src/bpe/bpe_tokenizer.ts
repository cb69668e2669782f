// The tokenizer of a byte-level BPE model.

import { createTokenFinder, type AddedToken } from "./added_token.js";
import { createEncoder } from "./encoder.js";
import { createIdList, type IdList } from "./id_list.js";
import type { BpeModel } from "./model.js";
import { normalizeRange, normalizeText } from "./normalize.js";
import { toByteText, type ByteText } from "./piece_table.js";
import { tokenBytes, tokenCount } from "./token_list.js";
import type { TextRange } from "./utf8.js";
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
  const { template, beginOfText, padding } = model;
  const vocabularySize = tokenCount(model.tokens);
  const encodeText = createTextEncoder(model);
  const ids = createIdList();
  const utf8 = createUtf8Writer();
  const bytesOf = (id: number): Uint8Array | undefined => {
    if (!Number.isInteger(id) || id < 0 || id >= vocabularySize) return undefined;
    const bytes = tokenBytes(model.tokens, id);
    return bytes.length === 0 ? undefined : bytes;
  };
  const encode = (
    list: IdList,
    { text, length }: Utf8,
    { special = "text", addSpecialTokens = false }: EncodeOptions = {},
  ): void => {
    if (addSpecialTokens) for (const id of template.before) list.push(id);
    encodeText({ text, start: 0, end: length }, list, special);
    if (addSpecialTokens) for (const id of template.after) list.push(id);
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
    ...(beginOfText !== undefined && { beginOfText }),
    ...(padding !== undefined && { padding }),
    addedTokens: new Map(model.added.map(({ content, id }) => [content, id])),
    template,
    encode: (text, options) => encodeAll(utf8(text), options),
    encodeTo: (list, text, options) => encode(list, utf8(text), options),
    encodeBytes: (bytes, options) =>
      encodeAll({ text: toByteText(bytes), length: bytes.length }, options),
    decode: (some) => decodeAll(bytesOf, some),
    bytesOf,
  };
}

/** Appends the ids of a range of text. */
type EncodeRange = (range: TextRange, ids: IdList, special: SpecialMode) => void;
type SpecialMode = Required<EncodeOptions>["special"];

/**
 * As Hugging Face's tokenizers go about it: added tokens are cut out, the rest is normalized, further ones are cut out
 * of that, and what is left is split and merged.
 */
function createTextEncoder(model: BpeModel): EncodeRange {
  const { added, normalizer } = model;
  const encode = createEncoder(model);
  const encodePlain: EncodeRange = ({ text, start, end }, ids) => encode(text, start, end, ids);
  const normalized = added
    .filter(({ isNormalized }) => isNormalized)
    .map((token) => ({ ...token, content: normalizeText(token.content, normalizer) }));
  const encodeNormalized = cutTokens(normalized, encodePlain);
  return cutTokens(
    added.filter(({ isNormalized }) => !isNormalized),
    normalizer.length === 0
      ? encodeNormalized
      : (range, ids, special) => encodeNormalized(normalizeRange(range, normalizer), ids, special),
  );
}

/** Encodes `tokens` as such, and the text between them by `encode`. */
function cutTokens(tokens: readonly AddedToken[], encode: EncodeRange): EncodeRange {
  if (tokens.length === 0) return encode;
  const find = createTokenFinder(tokens);
  return ({ text, start, end }, ids, special) => {
    let at = start;
    for (const found of find(text.bytes, start, end, special)) {
      if (found.start > at) encode({ text, start: at, end: found.start }, ids, special);
      ids.push(found.id);
      at = found.end;
    }
    if (end > at) encode({ text, start: at, end }, ids, special);
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
