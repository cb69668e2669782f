// Reductions in rank order, in plain JavaScript.

import type { Values } from "./engine.js";
import type { ReduceOp } from "./group.js";

const combine: Readonly<Record<ReduceOp, (a: number, b: number) => number>> = {
  sum: (a, b) => a + b,
  mean: (a, b) => a + b,
  // Math.max and Math.min propagate NaN, as a sum does.
  max: Math.max,
  min: Math.min,
};

/** Writes the reduction of `all` to `to`; partial results are rounded to the type of `to`. */
export function reduceInto(to: Values, all: readonly Values[], op: ReduceOp): void {
  const [first, ...others] = all;
  to.set(first!);
  const combineTwo = combine[op];
  for (const other of others) {
    for (let i = 0; i < to.length; i += 1) to[i] = combineTwo(to[i]!, other[i]!);
  }
  if (op === "mean") for (let i = 0; i < to.length; i += 1) to[i]! /= all.length;
}
