// A list of ids of which nobody knows the length yet.

export interface IdList {
  /** May be raised, as far as there is room, once the ids stand there. */
  length: number;
  push(id: number): void;
  /** Appends what stands in `ids` from `start` to before `end`. */
  append(ids: Int32Array, start: number, end: number): void;
  /** Memory in which `count` ids may be written from `length` on; the next call may move it. */
  room(count: number): Int32Array;
  /** What was pushed, in memory of its own; the list is empty again. */
  take(): Int32Array;
}

/** A list that was long gives its memory back. */
const KEPT_LENGTH = 2 ** 18;

export function idList(): IdList {
  let ids = new Int32Array(1024);
  const list: IdList = {
    length: 0,
    push(id) {
      list.room(1)[list.length] = id;
      list.length += 1;
    },
    append(more, start, end) {
      list.room(end - start).set(more.subarray(start, end), list.length);
      list.length += end - start;
    },
    room(count) {
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
