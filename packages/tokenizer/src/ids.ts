// A list of ids of which nobody knows the length yet.

export interface IdList {
  readonly length: number;
  push(id: number): void;
  /** Appends what stands in `ids` from `start` to before `end`. */
  append(ids: Int32Array, start: number, end: number): void;
  /** What was pushed, in memory of its own; the list is empty again. */
  take(): Int32Array;
}

/** A list that was long gives its memory back. */
const KEPT_LENGTH = 2 ** 18;

export function idList(): IdList {
  let ids = new Int32Array(1024);
  let used = 0;
  const makeRoom = (count: number): void => {
    const larger = new Int32Array(2 * (used + count));
    larger.set(ids.subarray(0, used));
    ids = larger;
  };
  return {
    get length() {
      return used;
    },
    push: (id) => {
      if (used === ids.length) makeRoom(1);
      ids[used] = id;
      used += 1;
    },
    append: (more, start, end) => {
      if (used + end - start > ids.length) makeRoom(end - start);
      // A loop: most pieces are few ids, for which `set` costs more than the copy.
      for (let i = start; i < end; i += 1) ids[used + i - start] = more[i]!;
      used += end - start;
    },
    take: () => {
      const taken = ids.slice(0, used);
      used = 0;
      if (ids.length > KEPT_LENGTH) ids = new Int32Array(KEPT_LENGTH);
      return taken;
    },
  };
}
