// Keys or values of one layer for some rows, in memory that grows with the longest of them.

/** fp32 values, or the bits of fp16 ones. */
export type Elements = Float32Array | Uint16Array;

/** Sizes of a cache. */
export interface RowCacheOptions {
  readonly rows: number;
  readonly heads: number;
  readonly depth: number;
  /** The most tokens that a row may hold. */
  readonly maxTokens: number;
  /** Makes elements that are zero. */
  readonly make: (size: number) => Elements;
}

/** A cache of keys or values [rows, heads, capacity, depth]. */
export interface RowCache {
  /** Tokens that each row has room for. */
  readonly capacity: number;
  /** Makes room for `tokens` in each row. */
  reserve(tokens: number): void;
  /** `count` rows from `first` on, [count, heads, capacity, depth]; borrowed, until the next `reserve`. */
  view(first: number, count: number): Elements;
  /** Puts `added` [heads, time, depth] behind the first `length` tokens of a row. */
  put(row: number, length: number, added: Elements): void;
  copy(from: number, to: number): void;
}

/** Room grows by this many tokens at least: growing copies everything. */
const LEAST_GROWTH = 64;

/** An empty cache, which allocates on the first `reserve`. */
export function createRowCache({ rows, heads, depth, maxTokens, make }: RowCacheOptions): RowCache {
  let capacity = 0;
  let elements = make(0);
  const rowSize = (): number => heads * capacity * depth;
  return {
    get capacity() {
      return capacity;
    },
    reserve(tokens) {
      if (tokens <= capacity) return;
      const grown = Math.max(tokens, capacity + LEAST_GROWTH, Math.ceil(1.25 * capacity));
      const room = Math.min(maxTokens, grown);
      const larger = make(rows * heads * room * depth);
      const held = capacity * depth;
      for (let line = 0; line < rows * heads && held > 0; line += 1) {
        larger.set(elements.subarray(line * held, (line + 1) * held), line * room * depth);
      }
      [elements, capacity] = [larger, room];
    },
    view: (first, count) => elements.subarray(first * rowSize(), (first + count) * rowSize()),
    put(row, length, added) {
      const size = added.length / heads;
      for (let head = 0; head < heads; head += 1) {
        const at = row * rowSize() + (head * capacity + length) * depth;
        elements.set(added.subarray(head * size, (head + 1) * size), at);
      }
    },
    copy(from, to) {
      elements.copyWithin(to * rowSize(), from * rowSize(), (from + 1) * rowSize());
    },
  };
}
