// JSON lines to ids: what a worker does with the lines that it is sent.

import type { BpeTokenizer } from "./bpe.js";
import { idList } from "./ids.js";
import type { EncodeOptions, Tokenizer } from "./tokenizer.js";

/** Ids of many documents side by side, and how many each has. */
export interface EncodedDocuments {
  readonly ids: Int32Array | Uint16Array;
  readonly lengths: Int32Array;
}

/** A line that gives no document. */
export interface Fault {
  /** From 0, in what was given. */
  readonly line: number;
  readonly reason: string;
}

export interface EncodedLines {
  /** By key. A line that is at fault has no document under any. */
  readonly documents: readonly EncodedDocuments[];
  readonly faults: readonly Fault[];
  /** Lines that were given. */
  readonly lines: number;
}

export interface LineOptions extends EncodeOptions {
  /** What of each line's object is encoded, apart for each key. */
  readonly keys: readonly string[];
  /** Each document ends with the id that ends a text. */
  readonly appendEnd: boolean;
}

/** Encodes lines of JSON objects; empty lines are passed over. */
export function encodeLines(
  tokenizer: Tokenizer,
  bytes: Uint8Array,
  { keys, appendEnd, ...options }: LineOptions,
): EncodedLines {
  const lists = keys.map(() => documentList(tokenizer, appendEnd));
  const faults: Fault[] = [];
  let line = 0;
  for (let at = 0; at < bytes.length; line += 1) {
    const newline = bytes.indexOf(0x0a, at);
    const end = newline < 0 ? bytes.length : newline;
    const text = Buffer.from(bytes.buffer, bytes.byteOffset + at, end - at).toString("utf8");
    at = end + 1;
    if (text.trim() === "") continue;
    const texts = textsOf(text, keys);
    if (typeof texts === "string") faults.push({ line, reason: texts });
    else texts.forEach((value, key) => lists[key]!.add(tokenizer.encode(value, options)));
  }
  return { documents: lists.map((list) => list.take()), faults, lines: line };
}

/** The texts under the keys, or what is wrong with the line. */
function textsOf(line: string, keys: readonly string[]): readonly string[] | string {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return "is not JSON";
  }
  if (typeof value !== "object" || value === null) return "is no JSON object";
  const texts: string[] = [];
  for (const key of keys) {
    const found = (value as Record<string, unknown>)[key];
    if (typeof found !== "string") {
      return `has ${found === undefined ? "nothing" : "no text"} under ${JSON.stringify(key)}`;
    }
    if (found === "") return `has an empty text under ${JSON.stringify(key)}`;
    texts.push(found);
  }
  return texts;
}

/** Encodes a whole text, or a part of one whose last has `isLast`. */
export function encodeText(
  tokenizer: Tokenizer | BpeTokenizer,
  bytes: Uint8Array,
  { appendEnd, ...options }: Omit<LineOptions, "keys">,
): EncodedDocuments {
  const list = documentList(tokenizer, appendEnd);
  const { buffer, byteOffset, byteLength } = bytes;
  const ids =
    "encodeBytes" in tokenizer
      ? tokenizer.encodeBytes(bytes, options)
      : tokenizer.encode(Buffer.from(buffer, byteOffset, byteLength).toString("utf8"), options);
  list.add(ids);
  return list.take();
}

/** Encodes whole texts, one document each. */
export function encodeTexts(
  tokenizer: Tokenizer,
  texts: readonly string[],
  options: EncodeOptions,
): EncodedDocuments {
  const list = documentList(tokenizer, false);
  for (const text of texts) list.add(tokenizer.encode(text, options));
  return list.take();
}

function documentList({ endOfText, vocabularySize }: Tokenizer, appendEnd: boolean) {
  const ids = idList();
  const lengths: number[] = [];
  return {
    add(some: Int32Array): void {
      const ends = appendEnd && endOfText !== null;
      ids.append(some, 0, some.length);
      if (ends) ids.push(endOfText);
      lengths.push(some.length + Number(ends));
    },
    take(): EncodedDocuments {
      const all = ids.take();
      return {
        ids: vocabularySize < 65_500 ? new Uint16Array(all) : all,
        lengths: Int32Array.from(lengths),
      };
    },
  };
}
