// How text is split into pieces before bytes are merged: GPT-2's way by a scanner of our own, others
// by their regular expression.

import { UserError } from "@tessera/config";
import { gpt2PieceEnd } from "./gpt2_pattern.js";

/** "gpt2", or a regular expression as tokenizer files write them. */
export type Pattern = "gpt2" | { readonly regex: string };

/** Where the piece ends that begins at `start`; asked for each piece of a text in turn. */
export type PieceEnd = (bytes: Uint8Array, start: number, end: number) => number;

/** Splits the text that stands in `bytes` from `start` to `end`. */
export type Splitter = (bytes: Uint8Array, start: number, end: number) => PieceEnd;

export function splitterOf(pattern: Pattern): Splitter {
  if (pattern === "gpt2") return () => gpt2PieceEnd;
  const expression = javascriptOf(pattern.regex);
  return (bytes, start, end) => {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("utf8");
    const ends = endsOf(expression, text, start);
    let next = 0;
    return () => {
      const found = ends[next] ?? end;
      next += 1;
      return Math.min(found, end);
    };
  };
}

/** What stands between two matches is a piece as well. */
function endsOf(expression: RegExp, text: string, start: number): readonly number[] {
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

/** The same expression in JavaScript's words. Throws a UserError for one that has none. */
function javascriptOf(regex: string): RegExp {
  const plain = regex
    .replace(/\(\?i:((?:[^()\\]|\\.)*)\)/g, (_, inner: string) => `(?:${eitherCase(inner)})`)
    .replace(/([?*+]|\{\d+(?:,\d*)?\})\+/g, "$1") // possessive: the same matches, found with less retracing
    .replaceAll("\\s", "\\p{White_Space}")
    .replaceAll("\\S", "\\P{White_Space}");
  try {
    return new RegExp(plain, "gu");
  } catch {
    throw new UserError(`the tokenizer's pattern ${regex} cannot be used here`);
  }
}

const eitherCase = (letters: string): string =>
  letters.replace(/[a-z]/gi, (letter) => `[${letter.toLowerCase()}${letter.toUpperCase()}]`);
