// GPT-2's pattern as a scanner over bytes of UTF-8. As a regular expression:
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+

import { byteKinds, SPACE, WIDE, wideCharacter } from "./character.js";

const BLANK = 0x20;
const APOSTROPHE = 0x27;

/** End of the piece that begins at `start`, which is before `end`. */
export function gpt2PieceEnd(bytes: Uint8Array, start: number, end: number): number {
  const first = bytes[start]!;
  if (first === APOSTROPHE) {
    const length = contraction(bytes, start + 1, end);
    if (length > 0) return start + 1 + length;
  }
  let at = start;
  if (first === BLANK && start + 1 < end) at += 1; // belongs to what follows, unless that is a space
  let kind = byteKinds[bytes[at]!]!;
  if (kind === WIDE) kind = wideCharacter(bytes, at, end) & 7;
  return kind === SPACE ? spacesEnd(bytes, start, end) : runEnd(bytes, at, end, kind);
}

/** End of the run of characters of this kind. */
function runEnd(bytes: Uint8Array, start: number, end: number, kind: number): number {
  let at = start;
  while (at < end) {
    const next = byteKinds[bytes[at]!]!;
    if (next === kind) {
      at += 1;
    } else if (next === WIDE) {
      const wide = wideCharacter(bytes, at, end);
      if ((wide & 7) !== kind) return at;
      at += wide >> 3;
    } else {
      return at;
    }
  }
  return at;
}

/** End of a run of spaces, without the last one where something follows. */
function spacesEnd(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  let last = start;
  while (at < end) {
    const wide = wideCharacter(bytes, at, end);
    if ((wide & 7) !== SPACE) break;
    last = at;
    at += wide >> 3;
  }
  return at === end || last === start ? at : last;
}

/** Length of s, t, m, d, re, ve or ll at `at`; 0 for none of them. */
function contraction(bytes: Uint8Array, at: number, end: number): number {
  if (at >= end) return 0;
  switch (bytes[at]!) {
    case 0x73: // s
    case 0x74: // t
    case 0x6d: // m
    case 0x64: // d
      return 1;
    case 0x72: // r
    case 0x76: // v
      return at + 1 < end && bytes[at + 1] === 0x65 ? 2 : 0;
    case 0x6c: // l
      return at + 1 < end && bytes[at + 1] === 0x6c ? 2 : 0;
    default:
      return 0;
  }
}
