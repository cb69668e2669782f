// Splits text into pieces before merging: by a scanner for GPT-2's pattern, by regular expressions for others.

import { UserError } from "@tessera/config";
import { gpt2PieceEnd } from "./gpt2_pattern.js";

/** "gpt2", or a regular expression as tokenizer files write them. */
export type Pattern = "gpt2" | { readonly regex: string };

/** End of the piece that begins at `start`. Called for the pieces of a text from left to right. */
export type PieceEnd = (bytes: Uint8Array, start: number, end: number) => number;

/** Prepares to split bytes[start, end). */
export type Splitter = (bytes: Uint8Array, start: number, end: number) => PieceEnd;

/**
 * The splitter for `pattern`.
 *
 * @throws UserError for a regular expression that JavaScript does not have; when it splits, for a piece that is too
 * long for one.
 */
export function createSplitter(pattern: Pattern): Splitter {
  if (pattern === "gpt2") return () => gpt2PieceEnd;
  const expression = toRegExp(pattern.regex);
  return (bytes, start, end) => {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("utf8");
    const ends = findEnds(expression, text, start);
    let next = 0;
    return () => {
      const found = ends[next] ?? end;
      next += 1;
      return Math.min(found, end);
    };
  };
}

/** Ends of pieces, in bytes. Text between two matches is a piece as well. */
function findEnds(expression: RegExp, text: string, start: number): readonly number[] {
  const ends: number[] = [];
  let at = 0;
  let bytes = start;
  const endAt = (index: number) => {
    if (index === at) return;
    bytes += Buffer.byteLength(text.slice(at, index));
    ends.push(bytes);
    at = index;
  };
  try {
    for (const match of text.matchAll(expression)) {
      endAt(match.index);
      endAt(match.index + match[0].length);
    }
  } catch {
    throw new UserError("a piece of the text is too long for the tokenizer's pattern, break it up");
  }
  endAt(text.length);
  return ends;
}

/** The same expression in the syntax of JavaScript. Throws a UserError where there is none. */
function toRegExp(regex: string): RegExp {
  const plain = regex
    .replace(/\(\?i:((?:[^()\\]|\\.)*)\)/g, (_, inner: string) => `(?:${ignoreCase(inner)})`)
    .replace(/([?*+]|\{\d+(?:,\d*)?\})\+/g, "$1") // possessive: the same matches, with less backtracking
    .replaceAll("\\s", "\\p{White_Space}")
    .replaceAll("\\S", "\\P{White_Space}");
  try {
    return new RegExp(plain, "gu");
  } catch {
    throw new UserError(`the tokenizer's pattern ${regex} cannot be used here`);
  }
}

const ignoreCase = (letters: string): string =>
  letters.replace(/[a-z]/gi, (letter) => `[${letter.toLowerCase()}${letter.toUpperCase()}]`);
