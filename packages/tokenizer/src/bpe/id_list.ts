// A growing list of token ids.

/** Ids in memory that grows. */
export interface IdList {
  /** May be raised up to the reserved capacity, after ids were written there. */
  length: number;
  push(id: number): void;
  /** Appends ids[start, end). */
  append(ids: Int32Array, start: number, end: number): void;
  /** The memory, with capacity for `count` more ids from `length` on. Valid until the next call. */
  reserve(count: number): Int32Array;
  /** A copy of the ids. Empties the list. */
  take(): Int32Array;
}

/** Ids; a list that was longer frees its memory. */
const KEPT_LENGTH = 2 ** 18;

export function createIdList(): IdList {
  let ids = new Int32Array(1024);
  const list: IdList = {
    length: 0,
    push(id) {
      list.reserve(1)[list.length] = id;
      list.length += 1;
    },
    append(more, start, end) {
      list.reserve(end - start).set(more.subarray(start, end), list.length);
      list.length += end - start;
    },
    reserve(count) {
      if (list.length + count > ids.length) {
        const larger = new Int32Array(2 * (list.length + count));
        larger.set(ids.subarray(0, list.length));
        ids = larger;
      }
      return ids;
    },
    take() {
      const taken = ids.slice(0, list.length);
      list.length = 0;
      if (ids.length > KEPT_LENGTH) ids = new Int32Array(KEPT_LENGTH);
      return taken;
    },
  };
  return list;
}
