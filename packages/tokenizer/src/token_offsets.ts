// Offsets of tokens in their text.

import type { Tokenizer } from "./tokenizer.js";

/**
 * Start and end in `text` of each of its `ids`, in UTF-16 code units. A token that is a part of a character covers all
 * of it.
 */
export function tokenOffsets(
  tokenizer: Pick<Tokenizer, "bytesOf">,
  text: string,
  ids: ArrayLike<number>,
): readonly (readonly [start: number, end: number])[] {
  const starts: number[] = []; // of the character that each byte belongs to
  for (let at = 0; at < text.length;) {
    const point = text.codePointAt(at)!;
    const bytes = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (let i = 0; i < bytes; i += 1) starts.push(at);
    at += point < 0x10000 ? 1 : 2;
  }
  let byte = 0;
  return Array.from(ids, (id) => {
    const start = starts[byte] ?? text.length;
    byte += tokenizer.bytesOf(id)?.length ?? 0;
    // The end of the character that the last byte belongs to.
    let after = byte;
    while (after < starts.length && starts[after] === starts[byte - 1]) after += 1;
    return [start, starts[after] ?? text.length];
  });
}
