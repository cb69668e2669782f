// JSON lines and texts to ids, as the workers encode them.

import { UserError } from "@tessera/config";
import { findFault, parseDocument } from "@tessera/files/corpus";
import type { BpeTokenizer } from "../bpe/bpe_tokenizer.js";
import { areKnownSteps } from "../bpe/pre_tokenizer.js";
import { runWithin } from "../bpe/time_limit.js";
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

/** Options for a text that is not JSON lines, or a chunk of one. */
export interface TextOptions extends Pick<EncodeOptions, "special"> {
  /** Ids before it and after it, where it is the first chunk and the last. */
  readonly before: readonly number[];
  readonly after: readonly number[];
}

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
  const encodeAll = (): void => {
    for (let at = 0; at < bytes.length; line += 1) {
      const newline = bytes.indexOf(0x0a, at);
      const end = newline < 0 ? bytes.length : newline;
      const part = buffer.subarray(at, end);
      at = end + 1;
      if (isBlank(part)) continue;
      const texts = readLine(part, keys);
      if (typeof texts === "string") errors.push({ line, reason: texts });
      else texts.forEach((value, key) => lists[key]!.add(value));
    }
  };
  limitTime(tokenizer, bytes.length, encodeAll);
  return { documents: lists.map((list) => list.take()), errors, lines: line };
}

/** The texts under the keys, or the reason why the line has none. */
function readLine(line: Buffer, keys: readonly string[]): readonly string[] | string {
  if (line.length > MAX_LINE_BYTES) return `has more than ${MAX_LINE_BYTES} bytes`;
  return findFault(line) ?? parseDocument(line.toString("utf8"), keys);
}

/** A longer one is no document, and is not made a string. */
const MAX_LINE_BYTES = 2 ** 28;

const isBlank = (line: Buffer): boolean =>
  line.every((byte) => byte === 0x20 || (byte >= 9 && byte <= 13));

/** Encodes a text, or a chunk of one. */
export function encodeText(
  tokenizer: Tokenizer | BpeTokenizer,
  bytes: Uint8Array,
  { before, after, ...options }: TextOptions,
): EncodedDocuments {
  const fault = findFault(bytes);
  if (fault !== undefined) throw new UserError(`the text ${fault}`);
  const list = createIdList();
  for (const id of before) list.push(id);
  const { buffer, byteOffset, byteLength } = bytes;
  const ids =
    "encodeBytes" in tokenizer
      ? tokenizer.encodeBytes(bytes, options)
      : tokenizer.encode(Buffer.from(buffer, byteOffset, byteLength).toString("utf8"), options);
  list.append(ids, 0, ids.length);
  for (const id of after) list.push(id);
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
  const length = texts.reduce((sum, text) => sum + text.length, 0);
  limitTime(tokenizer, length, () => texts.forEach((text) => list.add(text)));
  return list.take();
}

/** One limit for many texts, each of which would have its own. */
function limitTime(tokenizer: Tokenizer | BpeTokenizer, length: number, run: () => void): void {
  const isKnown = !("model" in tokenizer) || areKnownSteps(tokenizer.model.preTokenizer);
  if (isKnown) run();
  else runWithin(length, run);
}

/** What comes after the tokens of a document: of the tokenizer's template, and the end of text, once. */
export function idsAfter(
  { template, endOfText }: Pick<Tokenizer, "template" | "endOfText">,
  {
    addSpecialTokens = false,
    appendEndOfText,
  }: Pick<LineOptions, "addSpecialTokens" | "appendEndOfText">,
): readonly number[] {
  const after = addSpecialTokens ? template.after : [];
  const isEnded = !appendEndOfText || endOfText === null || after.at(-1) === endOfText;
  return isEnded ? after : [...after, endOfText];
}

function createDocumentList(
  tokenizer: Tokenizer | BpeTokenizer,
  { appendEndOfText, splitSentences, addSpecialTokens = false, special }: Omit<LineOptions, "keys">,
) {
  const options: EncodeOptions = special === undefined ? {} : { special };
  const before = addSpecialTokens ? tokenizer.template.before : [];
  const after = idsAfter(tokenizer, { addSpecialTokens, appendEndOfText });
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
        if (i === 0) for (const id of before) ids.push(id);
        encode(part);
        if (i === parts.length - 1) for (const id of after) ids.push(id);
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
