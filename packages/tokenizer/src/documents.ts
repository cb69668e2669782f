// JSON lines to ids: what a worker does with the lines that it is sent.

import type { BpeTokenizer } from "./bpe.js";
import { idList } from "./ids.js";
import type { EncodeOptions, Tokenizer } from "./tokenizer.js";

/** Ids of many documents side by side. */
export interface EncodedDocuments {
  readonly ids: Int32Array | Uint16Array;
  /** Ids of each sequence. */
  readonly lengths: Int32Array;
  /** Sequences of each document; null for one each. */
  readonly sequences: Int32Array | null;
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
  /** Each sentence is a sequence of its own, with the spaces that follow it. */
  readonly splitSentences: boolean;
}

/** Of a text that is no list of lines. */
export type TextOptions = Omit<LineOptions, "keys" | "splitSentences">;

/** Encodes lines of JSON objects; empty lines are passed over. */
export function encodeLines(
  tokenizer: Tokenizer,
  bytes: Uint8Array,
  { keys, ...options }: LineOptions,
): EncodedLines {
  const lists = keys.map(() => documentList(tokenizer, options));
  const faults: Fault[] = [];
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let line = 0;
  for (let at = 0; at < bytes.length; line += 1) {
    const newline = bytes.indexOf(0x0a, at);
    const end = newline < 0 ? bytes.length : newline;
    const text = buffer.toString("utf8", at, end);
    at = end + 1;
    if (text.trim() === "") continue;
    const texts = textsOf(text, keys);
    if (typeof texts === "string") faults.push({ line, reason: texts });
    else texts.forEach((value, key) => lists[key]!.add(value));
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

/** Encodes a whole text, or a part of one whose last has `appendEnd`. */
export function encodeText(
  tokenizer: Tokenizer | BpeTokenizer,
  bytes: Uint8Array,
  { appendEnd, ...options }: TextOptions,
): EncodedDocuments {
  const list = idList();
  const { buffer, byteOffset, byteLength } = bytes;
  const ids =
    "encodeBytes" in tokenizer
      ? tokenizer.encodeBytes(bytes, options)
      : tokenizer.encode(Buffer.from(buffer, byteOffset, byteLength).toString("utf8"), options);
  list.append(ids, 0, ids.length);
  if (appendEnd && tokenizer.endOfText !== null) list.push(tokenizer.endOfText);
  const all = list.take();
  return {
    ids: narrowed(all, tokenizer),
    lengths: Int32Array.of(all.length),
    sequences: null,
  };
}

/** Encodes whole texts, one document each. */
export function encodeTexts(
  tokenizer: Tokenizer,
  texts: readonly string[],
  options: EncodeOptions,
): EncodedDocuments {
  const list = documentList(tokenizer, { ...options, appendEnd: false, splitSentences: false });
  for (const text of texts) list.add(text);
  return list.take();
}

function documentList(
  tokenizer: Tokenizer | BpeTokenizer,
  { appendEnd, splitSentences, ...options }: Omit<LineOptions, "keys">,
) {
  const { endOfText } = tokenizer;
  const ids = idList();
  const lengths: number[] = [];
  const sequences: number[] = [];
  const encode = (text: string): void => {
    if ("encodeTo" in tokenizer) {
      tokenizer.encodeTo(ids, text, options);
    } else {
      const some = tokenizer.encode(text, options);
      ids.append(some, 0, some.length);
    }
  };
  return {
    add(text: string): void {
      const parts = splitSentences ? sentencesOf(text) : [text];
      parts.forEach((part, i) => {
        const start = ids.length;
        encode(part);
        if (appendEnd && endOfText !== null && i === parts.length - 1) ids.push(endOfText);
        lengths.push(ids.length - start);
      });
      sequences.push(parts.length);
    },
    take: (): EncodedDocuments => ({
      ids: narrowed(ids.take(), tokenizer),
      lengths: Int32Array.from(lengths),
      sequences: splitSentences ? Int32Array.from(sequences) : null,
    }),
  };
}

/** In 16 bits where all ids fit, as they are stored. */
const narrowed = (ids: Int32Array, { vocabularySize }: Tokenizer): Int32Array | Uint16Array =>
  vocabularySize < 65_500 ? new Uint16Array(ids) : ids;

/** Together they are the text. */
const sentencesOf = (text: string): readonly string[] =>
  Array.from(sentences.segment(text), ({ segment }) => segment);

/** Of one language whatever the machine's, so that the same text gives the same sequences. */
const sentences = new Intl.Segmenter("en", { granularity: "sentence" });
