// The class of the character at a byte of UTF-8: letter, digit, space or other, as GPT's patterns distinguish them.

export const OTHER = 0;
export const LETTER = 1;
export const DIGIT = 2;
export const SPACE = 3;
/** More than one byte, or not UTF-8: ask `wideCharacter`. */
export const WIDE = 4;

const kinds = [
  [LETTER, /\p{L}/u],
  [DIGIT, /\p{N}/u],
  // Unlike the original, JavaScript's \s includes U+FEFF and excludes U+0085.
  [SPACE, /\p{White_Space}/u],
] as const;

const kindOf = (point: number): number =>
  kinds.find(([, pattern]) => pattern.test(String.fromCodePoint(point)))?.[0] ?? OTHER;

/** The kind of each byte as a character; WIDE for bytes of longer ones. */
export const byteKinds = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte < 0x80 ? kindOf(byte) : WIDE,
);

const PAGE = 256;
const pages: (Uint8Array | undefined)[] = [];

/** Kinds are computed a page at a time, when a text first needs them. */
function wideKind(point: number): number {
  const number = point >> 8;
  const page = (pages[number] ??= Uint8Array.from({ length: PAGE }, (_, i) =>
    kindOf(number * PAGE + i),
  ));
  return page[point & 0xff]!;
}

/**
 * The character at `at`, as kind + 8 x length in bytes. A byte that does not begin a character of UTF-8 counts as one
 * of kind OTHER, like U+FFFD.
 */
export function wideCharacter(bytes: Uint8Array, at: number, end: number): number {
  const lead = bytes[at]!;
  if (lead < 0x80) return byteKinds[lead]! + 8;
  const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || at + length > end) return OTHER + 8;
  let point = lead & (0x7f >> length);
  for (let i = 1; i < length; i += 1) {
    const byte = bytes[at + i]!;
    if ((byte & 0xc0) !== 0x80) return OTHER + 8;
    point = (point << 6) | (byte & 0x3f);
  }
  const isShortest = point >= (length === 4 ? 0x10000 : length === 3 ? 0x800 : 0x80);
  const isSurrogate = point >= 0xd800 && point < 0xe000;
  if (!isShortest || isSurrogate || point > 0x10ffff) return OTHER + 8;
  return wideKind(point) + 8 * length;
}

/** Where the character begins that ends before `at`, not before `least`. */
export function characterStart(bytes: Uint8Array, at: number, least = 0): number {
  let start = at - 1;
  while (start > least && start > at - 4 && (bytes[start]! & 0xc0) === 0x80) start -= 1;
  return start;
}
