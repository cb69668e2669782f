// Where a long text can be split so that the halves, encoded separately, have the ids of the whole: a position at
// which every pattern ends a piece, whatever comes before and after.

import { byteKinds, LETTER, SPACE, WIDE, wideCharacter } from "../bpe/character.js";

const BLANK = 0x20;
const NEWLINE = 0x0a;

/** The last such position in `bytes`, or 0 where there is none. */
export function findSplitPoint(bytes: Uint8Array): number {
  // A character at the very end may be incomplete, and is ignored.
  for (let at = bytes.length - 4; at > 1; at -= 1) {
    // Exactly one space: of several, the last belongs to another piece at the end of a text.
    const isBetweenLines =
      bytes[at - 1] === NEWLINE && !isSpace(bytes, at) && !isSpace(bytes, before(bytes, at - 1));
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

/** Where the character begins that ends before `at`. */
function before(bytes: Uint8Array, at: number): number {
  let start = at - 1;
  while (start > 0 && start > at - 4 && (bytes[start]! & 0xc0) === 0x80) start -= 1;
  return start;
}
