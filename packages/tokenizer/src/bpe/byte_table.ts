// A hash set of byte strings, numbered in the order of insertion. Encoding asks it for every piece of a text, so it
// reads bytes in place, without making strings of them.

export interface ByteTable {
  readonly size: number;
  /** The number of the bytes from `start` to before `end`, or -1. */
  find(bytes: Uint8Array, start: number, end: number): number;
  /** Adds what `find` has just not found. Returns its number. */
  add(bytes: Uint8Array, start: number, end: number): number;
  /** The bytes with this number, borrowed. */
  at(index: number): Uint8Array;
}

/** Random, against hash-flooding: nobody can prepare a text of colliding pieces. */
const SEED = (Math.random() * 2 ** 32) | 0;
const PRIME = 0x01000193; // of FNV-1a

/** Fields of a slot: the hash, the offset of the bytes, how many, and their number + 1 (0: free). */
const FIELDS = 4;

export function createByteTable(expected = 1024): ByteTable {
  let slots: Int32Array = new Int32Array(FIELDS * 2 ** Math.ceil(Math.log2(2 * expected)));
  let mask = slots.length / FIELDS - 1;
  let kept = new Uint8Array(8 * expected);
  let starts = new Int32Array(expected + 1);
  let size = 0;
  let missedHash = 0;
  let missedSlot = 0;

  return {
    get size() {
      return size;
    },
    find(bytes, start, end) {
      let hash = SEED;
      for (let i = start; i < end; i += 1) hash = Math.imul(hash ^ bytes[i]!, PRIME);
      hash ^= hash >>> 15;
      const length = end - start;
      let slot = hash & mask;
      for (;;) {
        const at = FIELDS * slot;
        const index = slots[at + 3]!;
        if (index === 0) break;
        if (slots[at] === hash && slots[at + 2] === length) {
          let i = 0;
          const from = slots[at + 1]!;
          while (i < length && kept[from + i] === bytes[start + i]) i += 1;
          if (i === length) return index - 1;
        }
        slot = (slot + 1) & mask;
      }
      missedHash = hash;
      missedSlot = slot;
      return -1;
    },
    add(bytes, start, end) {
      const from = starts[size]!;
      const length = end - start;
      if (from + length > kept.length) kept = grow(kept, Uint8Array, from + length);
      for (let i = 0; i < length; i += 1) kept[from + i] = bytes[start + i]!;
      const at = FIELDS * missedSlot;
      slots[at] = missedHash;
      slots[at + 1] = from;
      slots[at + 2] = length;
      slots[at + 3] = size + 1;
      size += 1;
      if (size === starts.length) starts = grow(starts, Int32Array, size);
      starts[size] = from + length;
      if (2 * size > mask) {
        slots = rehash(slots);
        mask = slots.length / FIELDS - 1;
      }
      return size - 1;
    },
    at: (index) => kept.subarray(starts[index], starts[index + 1]),
  };
}

/** The same entries in twice as many slots. Does not change `old`. */
function rehash(old: Int32Array): Int32Array {
  const slots = new Int32Array(2 * old.length);
  const mask = slots.length / FIELDS - 1;
  for (let from = 0; from < old.length; from += FIELDS) {
    if (old[from + 3] === 0) continue;
    let slot = old[from]! & mask;
    while (slots[FIELDS * slot + 3] !== 0) slot = (slot + 1) & mask;
    slots.set(old.subarray(from, from + FIELDS), FIELDS * slot);
  }
  return slots;
}

/** A copy of twice the capacity `needed`. */
export function grow<T extends Uint8Array | Int32Array>(
  old: T,
  Kind: new (length: number) => T,
  needed: number,
): T {
  const larger = new Kind(2 * needed);
  larger.set(old);
  return larger;
}
