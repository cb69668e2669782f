// A binary heap: the element that comes before all others is first.

export interface Heap<T> {
  push(value: T): void;
  /** Removes and returns the first, or undefined when there is none. */
  pop(): T | undefined;
  first(): T | undefined;
}

export function createHeap<T>(isBefore: (a: T, b: T) => boolean): Heap<T> {
  const values: T[] = [];
  /** Puts `value` at the root and sifts it down. */
  const siftDown = (value: T): void => {
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= values.length) break;
      if (child + 1 < values.length && isBefore(values[child + 1]!, values[child]!)) child += 1;
      if (!isBefore(values[child]!, value)) break;
      values[at] = values[child]!;
      at = child;
    }
    values[at] = value;
  };
  return {
    first: () => values[0],
    push: (value) => {
      let at = values.push(value) - 1;
      while (at > 0) {
        const parent = (at - 1) >> 1;
        if (!isBefore(value, values[parent]!)) break;
        values[at] = values[parent]!;
        at = parent;
      }
      values[at] = value;
    },
    pop: () => {
      const first = values[0];
      const last = values.pop();
      if (last !== undefined && values.length > 0) siftDown(last);
      return first;
    },
  };
}
