// Where a long text can be split so that the halves, encoded separately, have the ids of the whole: a position at
// which every known pattern ends a piece, whatever comes before and after.

import type { AddedToken } from "../bpe/added_token.js";
import type { BpeTokenizer } from "../bpe/bpe_tokenizer.js";
import { byteKinds, characterStart, LETTER, SPACE, WIDE, wideCharacter } from "../bpe/character.js";
import { isKnownPattern } from "../bpe/known_patterns.js";
import type { PreTokenizerStep } from "../bpe/pre_tokenizer.js";
import type { Tokenizer } from "../tokenizer.js";

/** Length of the part of `bytes` that is a chunk; 0 asks for more text. */
export type FindSplit = (bytes: Uint8Array) => number;

/** Finds where a text can be split for this tokenizer: nowhere, if its rules may reach over such a place. */
export function splitFinderOf(tokenizer: Tokenizer | BpeTokenizer): FindSplit {
  if (!("model" in tokenizer)) return findSplitPoint;
  const { preTokenizer, added } = tokenizer.model;
  const canSplit =
    preTokenizer.every((step) => splitsThere(step) || NUMBERS.test(patternOf(step))) &&
    preTokenizer.some(splitsThere) &&
    added.every(endsThere);
  return canSplit ? findSplitPoint : () => 0;
}

/** The pattern of a step that isolates its matches, else "". */
const patternOf = (step: PreTokenizerStep): string =>
  typeof step !== "string" && step.behavior === "Isolated" ? step.regex : "";

/** Patterns that match digits alone. */
const NUMBERS = /^\\p\{N\}(\+|\{1,3\})?$/;

const splitsThere = (step: PreTokenizerStep): boolean =>
  step === "gpt2" || isKnownPattern(patternOf(step));

const endsThere = ({ content, stripsLeft, stripsRight, isSingleWord }: AddedToken): boolean =>
  !stripsLeft && !stripsRight && !isSingleWord && !/[A-Za-z] |\n[^]/.test(content);

const BLANK = 0x20;
const NEWLINE = 0x0a;
/** A piece of o200k_base may go on with it in the next line. */
const SLASH = 0x2f;

/** The last such position in `bytes`, or 0 where there is none. */
export function findSplitPoint(bytes: Uint8Array): number {
  // A character at the very end may be incomplete, and is ignored.
  for (let at = bytes.length - 4; at > 1; at -= 1) {
    // Exactly one space: of several, the last belongs to another piece at the end of a text.
    const isBetweenLines =
      bytes[at - 1] === NEWLINE &&
      bytes[at] !== SLASH &&
      !isSpace(bytes, at) &&
      !isSpace(bytes, characterStart(bytes, at - 1));
    if (isBetweenLines) return at;
    const isBetweenWords =
      bytes[at] === BLANK &&
      byteKinds[bytes[at - 1]!] === LETTER &&
      byteKinds[bytes[at + 1]!] === LETTER;
    if (isBetweenWords) return at;
  }
  return 0;
}

const isSpace = (bytes: Uint8Array, at: number): boolean => {
  const kind = byteKinds[bytes[at]!]!;
  return (kind === WIDE ? wideCharacter(bytes, at, bytes.length) & 7 : kind) === SPACE;
};
