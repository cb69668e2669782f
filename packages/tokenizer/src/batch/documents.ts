// JSON lines and texts to ids, as the workers encode them.

import type { BpeTokenizer } from "../bpe/bpe_tokenizer.js";
import { createIdList } from "../bpe/id_list.js";
import type { EncodeOptions, Tokenizer } from "../tokenizer.js";

/** Ids of many documents, one after the other. */
export interface EncodedDocuments {
  readonly ids: Int32Array | Uint16Array;
  /** Number of ids of each sequence. */
  readonly lengths: Int32Array;
  /** Number of sequences of each document; null for one each. */
  readonly sequences: Int32Array | null;
}

/** A line that is not a document. */
export interface LineError {
  /** From 0, in the chunk. */
  readonly line: number;
  readonly reason: string;
}

/** The result of encoding a chunk. */
export interface EncodedLines {
  /** By key. A line with an error has no document under any. */
  readonly documents: readonly EncodedDocuments[];
  readonly errors: readonly LineError[];
  /** Lines of the chunk. */
  readonly lines: number;
}

/** How JSON lines are encoded. */
export interface LineOptions extends EncodeOptions {
  /** Keys of each line's object whose texts are encoded, each to documents of its own. */
  readonly keys: readonly string[];
  /** Append the end-of-text id to each document, if the vocabulary has one. */
  readonly appendEndOfText: boolean;
  /** Make each sentence, with the spaces after it, a sequence of its own. */
  readonly splitSentences: boolean;
}

/** Options for a text that is not JSON lines. */
export type TextOptions = Omit<LineOptions, "keys" | "splitSentences">;

/** Encodes lines of JSON objects; empty lines are skipped. */
export function encodeLines(
  tokenizer: Tokenizer,
  bytes: Uint8Array,
  { keys, ...options }: LineOptions,
): EncodedLines {
  const lists = keys.map(() => createDocumentList(tokenizer, options));
  const errors: LineError[] = [];
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let line = 0;
  for (let at = 0; at < bytes.length; line += 1) {
    const newline = bytes.indexOf(0x0a, at);
    const end = newline < 0 ? bytes.length : newline;
    const text = buffer.toString("utf8", at, end);
    at = end + 1;
    if (text.trim() === "") continue;
    const texts = parseTexts(text, keys);
    if (typeof texts === "string") errors.push({ line, reason: texts });
    else texts.forEach((value, key) => lists[key]!.add(value));
  }
  return { documents: lists.map((list) => list.take()), errors, lines: line };
}

/** The texts under the keys, or the reason why the line has none. */
function parseTexts(line: string, keys: readonly string[]): readonly string[] | string {
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

/** Encodes a text, or a chunk of one; the last chunk alone has `appendEndOfText`. */
export function encodeText(
  tokenizer: Tokenizer | BpeTokenizer,
  bytes: Uint8Array,
  { appendEndOfText, ...options }: TextOptions,
): EncodedDocuments {
  const list = createIdList();
  const { buffer, byteOffset, byteLength } = bytes;
  const ids =
    "encodeBytes" in tokenizer
      ? tokenizer.encodeBytes(bytes, options)
      : tokenizer.encode(Buffer.from(buffer, byteOffset, byteLength).toString("utf8"), options);
  list.append(ids, 0, ids.length);
  if (appendEndOfText && tokenizer.endOfText !== null) list.push(tokenizer.endOfText);
  const all = list.take();
  return {
    ids: narrowIds(all, tokenizer),
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
  const list = createDocumentList(tokenizer, {
    ...options,
    appendEndOfText: false,
    splitSentences: false,
  });
  for (const text of texts) list.add(text);
  return list.take();
}

function createDocumentList(
  tokenizer: Tokenizer | BpeTokenizer,
  { appendEndOfText, splitSentences, ...options }: Omit<LineOptions, "keys">,
) {
  const { endOfText } = tokenizer;
  const ids = createIdList();
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
      const parts = splitSentences ? segmentSentences(text) : [text];
      parts.forEach((part, i) => {
        const start = ids.length;
        encode(part);
        if (appendEndOfText && endOfText !== null && i === parts.length - 1) ids.push(endOfText);
        lengths.push(ids.length - start);
      });
      sequences.push(parts.length);
    },
    take: (): EncodedDocuments => ({
      ids: narrowIds(ids.take(), tokenizer),
      lengths: Int32Array.from(lengths),
      sequences: splitSentences ? Int32Array.from(sequences) : null,
    }),
  };
}

/** Uint16 where all ids fit, as datasets store them. */
const narrowIds = (ids: Int32Array, { vocabularySize }: Tokenizer): Int32Array | Uint16Array =>
  vocabularySize < 65_500 ? new Uint16Array(ids) : ids;

/** Joined, they are the text. */
const segmentSentences = (text: string): readonly string[] =>
  Array.from(sentences.segment(text), ({ segment }) => segment);

/** Independent of the locale of the machine. */
const sentences = new Intl.Segmenter("en", { granularity: "sentence" });
