// Tokens that are found in a text before it is split and merged, as Hugging Face's `added_tokens` have them.

import { UserError } from "@tessera/config";
import { characterStart, SPACE, wideCharacter } from "./character.js";
import type { EncodeOptions } from "../tokenizer.js";

/** A token whose text is itself, wherever it stands. */
export interface AddedToken {
  readonly content: string;
  readonly id: number;
  /** Whether `EncodeOptions.special` says what becomes of it; other added tokens are always tokens. */
  readonly isSpecial: boolean;
  /** Whether it is looked for after the normalizer, and its own text is normalized too. */
  readonly isNormalized: boolean;
  /** Whether it takes the white space on its left or right. */
  readonly stripsLeft: boolean;
  readonly stripsRight: boolean;
  /** Whether it is no token within a word. */
  readonly isSingleWord: boolean;
}

/** Special tokens that are taken as they stand. */
export const specialTokens = (ids: Iterable<readonly [string, number]>): readonly AddedToken[] =>
  Array.from(ids, ([content, id]) => ({
    content,
    id,
    isSpecial: true,
    isNormalized: false,
    stripsLeft: false,
    stripsRight: false,
    isSingleWord: false,
  }));

export interface FoundToken {
  readonly start: number;
  readonly end: number;
  readonly id: number;
}

/** Finds added tokens in bytes[start, end), from left to right. */
export type FindTokens = (
  bytes: Uint8Array,
  start: number,
  end: number,
  special: Required<EncodeOptions>["special"],
) => Iterable<FoundToken>;

/** Finds the longest of `tokens` at each position. In mode "refuse" the first special one throws a UserError. */
export function createTokenFinder(tokens: readonly AddedToken[]): FindTokens {
  // Bytes as Latin-1, so that an index in the string is one in the bytes.
  const byText = new Map(
    tokens.map((token) => [Buffer.from(token.content).toString("latin1"), token]),
  );
  const longestFirst = [...byText.keys()].sort((a, b) => b.length - a.length);
  const pattern = new RegExp(longestFirst.map(escapeRegExp).join("|"), "g");
  const areAllSpecial = tokens.every(({ isSpecial }) => isSpecial);
  return function* find(bytes, start, end, special) {
    if (special === "text" && areAllSpecial) return;
    const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start);
    let after = start; // where the token before ends
    for (const { 0: match, index } of text.toString("latin1").matchAll(pattern)) {
      const token = byText.get(match)!;
      const place = { from: start + index, to: start + index + match.length };
      if (token.isSpecial && special === "text") continue;
      if (token.isSingleWord && touchesWord(bytes, [start, end], place)) continue;
      if (token.isSpecial && special === "refuse") {
        throw new UserError(
          `the text has the special token ${token.content} at byte ${place.from}: remove it, or say ` +
            "that special tokens are allowed or are text",
        );
      }
      const first = token.stripsLeft ? spacesStart(bytes, place.from, after) : place.from;
      const last = token.stripsRight ? spacesEnd(bytes, place.to, end) : place.to;
      yield { start: Math.max(first, after), end: last, id: token.id };
      after = last;
    }
  };
}

const escapeRegExp = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");

interface Place {
  readonly from: number;
  readonly to: number;
}

/** A word's characters, by Unicode's annex on regular expressions. */
const WORD = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u;

/** Whether a word's character is next to `place` in bytes[start, end). */
function touchesWord(
  bytes: Uint8Array,
  [start, end]: readonly [number, number],
  { from, to }: Place,
): boolean {
  const isWord = (at: number, limit: number): boolean => {
    const length = wideCharacter(bytes, at, limit) >> 3;
    const character = Buffer.from(bytes.subarray(at, at + length)).toString("utf8");
    return WORD.test(character);
  };
  const isAfterWord = from > start && isWord(characterStart(bytes, from, start), from);
  return isAfterWord || (to < end && isWord(to, end));
}

/** Start of the white space that ends before `at`, not before `least`. */
function spacesStart(bytes: Uint8Array, at: number, least: number): number {
  let start = at;
  while (start > least) {
    const before = characterStart(bytes, start, least);
    if ((wideCharacter(bytes, before, start) & 7) !== SPACE) break;
    start = before;
  }
  return start;
}

/** End of the white space that begins at `at`. */
function spacesEnd(bytes: Uint8Array, at: number, limit: number): number {
  let end = at;
  while (end < limit) {
    const wide = wideCharacter(bytes, end, limit);
    if ((wide & 7) !== SPACE) break;
    end += wide >> 3;
  }
  return end;
}
