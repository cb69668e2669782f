// A list of whole numbers of which nobody knows the length yet, four bytes each.

export interface IntList {
  readonly length: number;
  push(value: number): void;
  append(more: Int32Array): void;
  /** What was pushed, borrowed. */
  all(): Int32Array;
}

export function createIntList(): IntList {
  let values = new Int32Array(1024);
  let used = 0;
  const makeRoom = (count: number): void => {
    if (used + count <= values.length) return;
    const larger = new Int32Array(2 * (used + count));
    larger.set(values);
    values = larger;
  };
  return {
    get length() {
      return used;
    },
    push(value) {
      makeRoom(1);
      values[used] = value;
      used += 1;
    },
    append(more) {
      makeRoom(more.length);
      values.set(more, used);
      used += more.length;
    },
    all: () => values.subarray(0, used),
  };
}
