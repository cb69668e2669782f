// A hash map from pieces to numbers, which encoding asks for every piece of a text. Most pieces have at most eight
// bytes: these are two 32-bit words, hashed and compared at once. Longer ones are in a `ByteTable`.

import { createByteTable } from "./byte_table.js";

/** Text as bytes, of which pieces are ranges. */
export interface ByteText {
  readonly bytes: Uint8Array;
  /** From the first byte on, to the end of the buffer. */
  readonly view: DataView;
}

/** Always a plain Uint8Array, not a Buffer: monomorphic code is faster. */
export const toByteText = ({ buffer, byteOffset, byteLength }: Uint8Array): ByteText => ({
  bytes: new Uint8Array(buffer, byteOffset, byteLength),
  view: new DataView(buffer, byteOffset),
});

export interface PieceTable {
  /** The number of the piece text[start, end), or MISSING. */
  find(text: ByteText, start: number, end: number): number;
  /** Adds what `find` has just not found. Returns false where the table is full. */
  add(text: ByteText, start: number, end: number, value: number): boolean;
}

export const MISSING = -0x80000000;

const SHORT = 8;
/** Masks of the two words of a piece, by its length. */
const LOW = Int32Array.of(0, 0xff, 0xffff, 0xffffff, -1, -1, -1, -1, -1);
const HIGH = Int32Array.of(0, 0, 0, 0, 0, 0xff, 0xffff, 0xffffff, -1);

/** Fields of a slot: the two words, the length of the piece (0: free), the number. */
const FIELDS = 4;

/** Random, against hash-flooding: nobody can prepare a text of colliding pieces. */
const randomOdd = (): number => ((Math.random() * 2 ** 31) << 1) | 1;
const LOW_FACTOR = randomOdd();
const HIGH_FACTOR = randomOdd();

/** A table for `capacity` pieces. */
export function createPieceTable(capacity: number): PieceTable {
  const bits = Math.ceil(Math.log2(2 * capacity));
  const shift = 32 - bits;
  const last = FIELDS * (2 ** bits - 1);
  const slots = new Int32Array(FIELDS * 2 ** bits);
  const long = createByteTable(Math.ceil(capacity / 4));
  const longValues = new Int32Array(capacity);
  let size = 0;
  /** The slot for the piece that was not found. */
  const missed = { at: 0, low: 0, high: 0, isLong: false };
  return {
    find(text, start, end) {
      const length = end - start;
      if (length > SHORT) {
        const index = long.find(text.bytes, start, end);
        missed.isLong = true;
        return index < 0 ? MISSING : longValues[index]!;
      }
      const isInside = start + SHORT <= text.view.byteLength;
      const low = isInside
        ? text.view.getInt32(start, true) & LOW[length]!
        : lastWord(text.bytes, start, end);
      const high = isInside
        ? text.view.getInt32(start + 4, true) & HIGH[length]!
        : lastWord(text.bytes, start + 4, end);
      const hash = Math.imul(low, LOW_FACTOR) + Math.imul(high, HIGH_FACTOR);
      let at = FIELDS * (hash >>> shift);
      while (slots[at] !== low || slots[at + 1] !== high || slots[at + 2] !== length) {
        if (slots[at + 2] === 0) {
          missed.at = at;
          missed.low = low;
          missed.high = high;
          missed.isLong = false;
          return MISSING;
        }
        at = (at + FIELDS) & last;
      }
      return slots[at + 3]!;
    },
    add(text, start, end, value) {
      if (size === capacity) return false;
      size += 1;
      if (missed.isLong) {
        longValues[long.add(text.bytes, start, end)] = value;
        return true;
      }
      slots[missed.at] = missed.low;
      slots[missed.at + 1] = missed.high;
      slots[missed.at + 2] = end - start;
      slots[missed.at + 3] = value;
      return true;
    },
  };
}

/** Up to four bytes of [start, end), where a word would reach beyond the buffer. */
function lastWord(bytes: Uint8Array, start: number, end: number): number {
  let word = 0;
  for (let i = Math.min(end, start + 4) - 1; i >= start; i -= 1) word = (word << 8) | bytes[i]!;
  return word;
}
