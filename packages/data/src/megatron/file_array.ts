// Numbers in a file as an array that stays there. Blocks that were read are kept, up to a bound, so
// that a small array is read once and a large one takes no more memory than the bound.

import { readFully, type OpenFile } from "@tessera/files";

/** How numbers stand in a file: little-endian, and what they are read into. */
export const numberFormats = {
  u8: { bytes: 1, read: (b: ArrayBuffer) => new Uint8Array(b) },
  i8: { bytes: 1, read: (b: ArrayBuffer) => new Int8Array(b) },
  u16: { bytes: 2, read: (b: ArrayBuffer) => new Uint16Array(b) },
  i16: { bytes: 2, read: (b: ArrayBuffer) => new Int16Array(b) },
  u32: { bytes: 4, read: (b: ArrayBuffer) => new Uint32Array(b) },
  i32: { bytes: 4, read: (b: ArrayBuffer) => new Int32Array(b) },
  i64: { bytes: 8, read: toDoubles },
} as const;

export type NumberFormat = keyof typeof numberFormats;
export type Numbers =
  Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | Float64Array;

/** Whole numbers of 64 bits as doubles: exact up to 2^53, and never small where they are large. */
function toDoubles(buffer: ArrayBuffer): Float64Array {
  const low = new Uint32Array(buffer);
  const high = new Int32Array(buffer);
  const doubles = new Float64Array(low.length / 2);
  for (let i = 0; i < doubles.length; i += 1) {
    doubles[i] = low[2 * i]! + 2 ** 32 * high[2 * i + 1]!;
  }
  return doubles;
}

/** An array of numbers, wherever it stands. */
export interface NumberArray {
  readonly length: number;
  at(index: number): number;
  /** A copy of the numbers from `start` to before `end`. */
  slice(start: number, end: number): Numbers;
}

const BLOCK = 256; // numbers: few enough that one at random is read in no time
const KEPT_BLOCKS = 8192;

/** The `length` numbers from byte `offset` of `file` on, which must have them. */
export function fileArray(
  file: OpenFile,
  { offset, length, format }: FileArrayOptions,
): NumberArray {
  const { bytes, read } = numberFormats[format];
  const slice = (start: number, end: number): Numbers => {
    const buffer = new ArrayBuffer((end - start) * bytes);
    readFully(file, new Uint8Array(buffer), offset + start * bytes);
    return read(buffer);
  };
  const blocks = new Map<number, Numbers>();
  const blockAt = (block: number): Numbers => {
    const kept = blocks.get(block);
    if (kept !== undefined) return kept;
    if (blocks.size === KEPT_BLOCKS) blocks.clear();
    const start = block * BLOCK;
    const numbers = slice(start, Math.min(start + BLOCK, length));
    blocks.set(block, numbers);
    return numbers;
  };
  return { length, slice, at: (i) => blockAt(Math.floor(i / BLOCK))[i % BLOCK]! };
}

export interface FileArrayOptions {
  /** In bytes. */
  readonly offset: number;
  readonly length: number;
  readonly format: NumberFormat;
}

/** The numbers of `array`, in parts that fit in memory. */
export function* readChunks(array: NumberArray, size = 2 ** 18): Generator<Numbers> {
  for (let start = 0; start < array.length; start += size) {
    yield array.slice(start, Math.min(start + size, array.length));
  }
}
