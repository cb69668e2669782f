// The letters in which vocabulary files write bytes: each byte is a character that can be seen, its
// own where it has one, else from U+0100 on.

import { gpt2ByteOrder } from "./model.js";

/** Characters in the order of `gpt2ByteOrder`. */
const characterOf: readonly string[] = (() => {
  const characters: string[] = [];
  let unseen = 256;
  gpt2ByteOrder.forEach((byte, i) => {
    // Where the order falls back to 0, the bytes that cannot be seen begin.
    const isSeen = i < gpt2ByteOrder.indexOf(0);
    characters[byte] = String.fromCharCode(isSeen ? byte : unseen);
    if (!isSeen) unseen += 1;
  });
  return characters;
})();

const byteOf = new Map(characterOf.map((character, byte) => [character, byte]));

export const lettersOf = (bytes: Iterable<number>): string =>
  Array.from(bytes, (byte) => characterOf[byte]!).join("");

/** The bytes that letters stand for; undefined where one is no letter of this alphabet. */
export function bytesOfLetters(letters: string): Uint8Array | undefined {
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i += 1) {
    const byte = byteOf.get(letters[i]!);
    if (byte === undefined) return undefined;
    bytes[i] = byte;
  }
  return bytes;
}
