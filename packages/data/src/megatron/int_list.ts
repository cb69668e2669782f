// A growing list of integers, four bytes each.

export interface IntList {
  readonly length: number;
  push(value: number): void;
  append(more: Int32Array): void;
  /** The numbers, borrowed until the next call. */
  all(): Int32Array;
}

export function createIntList(): IntList {
  let values = new Int32Array(1024);
  let used = 0;
  const reserve = (count: number): void => {
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
      reserve(1);
      values[used] = value;
      used += 1;
    },
    append(more) {
      reserve(more.length);
      values.set(more, used);
      used += more.length;
    },
    all: () => values.subarray(0, used),
  };
}
