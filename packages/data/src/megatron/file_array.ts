// An array of numbers in a file, read in blocks. Blocks are cached up to a bound: a small array is read once, and a
// large one takes no more memory than the bound.

import { readFully, type OpenFile } from "@tessera/files";

/** Formats of numbers in a file, little-endian, and the arrays they are read into. */
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
/** Numbers in memory, in the type of their format; i64 as doubles. */
export type Numbers =
  Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | Float64Array;

/** i64 as doubles: exact up to 2^53, and still large beyond. */
function toDoubles(buffer: ArrayBuffer): Float64Array {
  const low = new Uint32Array(buffer);
  const high = new Int32Array(buffer);
  const doubles = new Float64Array(low.length / 2);
  for (let i = 0; i < doubles.length; i += 1) {
    doubles[i] = low[2 * i]! + 2 ** 32 * high[2 * i + 1]!;
  }
  return doubles;
}

/** A read-only array of numbers, in memory or in a file. */
export interface NumberArray {
  readonly length: number;
  at(index: number): number;
  /** A copy of the numbers [start, end). */
  slice(start: number, end: number): Numbers;
}

/** Numbers in a block; small, so that random access is fast. */
const BLOCK = 256;
const CACHED_BLOCKS = 8192;

/** The `length` numbers from byte `offset` of `file` on. Reading throws a UserError where the file is shorter. */
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
    if (blocks.size === CACHED_BLOCKS) blocks.clear();
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

/** The numbers of `array`, `size` at a time. */
export function* readChunks(array: NumberArray, size = 2 ** 18): Generator<Numbers> {
  for (let start = 0; start < array.length; start += size) {
    yield array.slice(start, Math.min(start + size, array.length));
  }
}
