// A list of ids of which nobody knows the length yet.

export interface IdList {
  push(ids: Int32Array): void;
  /** What was pushed, in memory of its own. */
  all(): Int32Array;
}

export function idList(expected: number): IdList {
  let ids = new Int32Array(Math.max(16, expected));
  let used = 0;
  return {
    push: (more) => {
      if (used + more.length > ids.length) {
        const grown = new Int32Array(2 * (used + more.length));
        grown.set(ids.subarray(0, used));
        ids = grown;
      }
      // A loop: most pieces are one or two ids, for which `set` costs more than the copy.
      for (let i = 0; i < more.length; i += 1) ids[used + i] = more[i]!;
      used += more.length;
    },
    all: () => ids.slice(0, used),
  };
}
