// Elements of several ranks become one, in rank order, in plain JavaScript.

import type { Values } from "./engine.js";
import type { ReduceOp } from "./group.js";

const combine: Readonly<Record<ReduceOp, (a: number, b: number) => number>> = {
  sum: (a, b) => a + b,
  mean: (a, b) => a + b,
  // Math.max and Math.min keep NaN, as a sum does.
  max: Math.max,
  min: Math.min,
};

/** Fills `to` with the reduction of `all`; each partial result is rounded as `to` stores it. */
export function reduceInto(to: Values, all: readonly Values[], op: ReduceOp): void {
  const [first, ...others] = all;
  to.set(first!);
  const two = combine[op];
  for (const other of others) {
    for (let i = 0; i < to.length; i += 1) to[i] = two(to[i]!, other[i]!);
  }
  if (op === "mean") for (let i = 0; i < to.length; i += 1) to[i]! /= all.length;
}
