// Bytes as printable characters, as vocabulary files of GPT-2 write them (`bytes_to_unicode`): printable bytes are
// themselves, others are characters from U+0100 on.

import { gpt2ByteOrder } from "../bpe/model.js";

/** Characters in the order of `gpt2ByteOrder`. */
const characterOf: readonly string[] = (() => {
  const characters: string[] = [];
  let next = 256;
  gpt2ByteOrder.forEach((byte, i) => {
    // Where the order falls back to 0, the bytes that are not printable begin.
    const isPrintable = i < gpt2ByteOrder.indexOf(0);
    characters[byte] = String.fromCharCode(isPrintable ? byte : next);
    if (!isPrintable) next += 1;
  });
  return characters;
})();

const byteOf = new Map(characterOf.map((character, byte) => [character, byte]));

/** `bytes`, a character each. */
export const bytesToUnicode = (bytes: Iterable<number>): string =>
  Array.from(bytes, (byte) => characterOf[byte]!).join("");

/** The inverse of `bytesToUnicode`; undefined where a character is not one of these. */
export function unicodeToBytes(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) {
    const byte = byteOf.get(text[i]!);
    if (byte === undefined) return undefined;
    bytes[i] = byte;
  }
  return bytes;
}
