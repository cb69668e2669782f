// A list of whole numbers of which nobody knows the length yet, four bytes each.

export interface GrowingList {
  readonly length: number;
  push(value: number): void;
  /** What was pushed, borrowed. */
  all(): Int32Array;
}

export function growingList(): GrowingList {
  let values = new Int32Array(1024);
  let used = 0;
  return {
    get length() {
      return used;
    },
    push(value) {
      if (used === values.length) {
        const larger = new Int32Array(2 * used);
        larger.set(values);
        values = larger;
      }
      values[used] = value;
      used += 1;
    },
    all: () => values.subarray(0, used),
  };
}
