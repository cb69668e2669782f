// A binary heap of plain numbers, smallest first.

export interface Heap {
  push(value: number): void;
  /** Removes and returns the smallest, or undefined when there is none. */
  pop(): number | undefined;
  least(): number | undefined;
}

export function heap(): Heap {
  const values: number[] = [];
  return {
    least: () => values[0],
    push: (value) => {
      let at = values.push(value) - 1;
      while (at > 0) {
        const parent = (at - 1) >> 1;
        if (values[parent]! <= value) break;
        values[at] = values[parent]!;
        at = parent;
      }
      values[at] = value;
    },
    pop: () => {
      const smallest = values[0];
      const last = values.pop();
      if (last !== undefined && values.length > 0) sink(values, last);
      return smallest;
    },
  };
}

/** Puts `value` at the root, and lets smaller children rise past it. */
function sink(values: number[], value: number): void {
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= values.length) break;
    if (child + 1 < values.length && values[child + 1]! < values[child]!) child += 1;
    if (values[child]! >= value) break;
    values[at] = values[child]!;
    at = child;
  }
  values[at] = value;
}
