// What the layouts' tests say of two runs: how far apart they are.

import type { ByPath, Trained } from "./layouts.js";

const norm = (values: Float32Array): number => Math.sqrt(values.reduce((sum, x) => sum + x * x, 0));

/** The norm of the difference over the norm of what is expected. */
const apart = (actual: Float32Array, expected: Float32Array): number =>
  norm(actual.map((value, i) => value - expected[i]!)) / norm(expected);

/**
 * The part of a parameter that its gradient determines. A bias of all keys alike changes no softmax, so
 * the gradient of keys' biases is rounding alone, which Adam makes steps of.
 */
const determined = (path: string, values: Float32Array): Float32Array =>
  path.endsWith("keyValue.bias") ? values.subarray(values.length / 2) : values;

/** The largest of the relative differences between trees. */
export const treesApart = (actual: ByPath, expected: ByPath): number =>
  Math.max(
    ...Object.entries(expected).map(([path, values]) =>
      apart(determined(path, actual[path]!), determined(path, values)),
    ),
  );

/** The relative difference of trees, each taken as one vector. */
export function vectorsApart(actual: ByPath, expected: ByPath): number {
  const vector = (tree: ByPath): Float32Array =>
    Float32Array.from(Object.keys(expected).flatMap((path) => [...tree[path]!]));
  return apart(vector(actual), vector(expected));
}

/** The largest relative difference between two runs' losses. */
export const lossesApart = (actual: Trained, expected: Trained): number =>
  Math.max(...actual.losses.map((loss, step) => Math.abs(loss / expected.losses[step]! - 1)));

/** The same of gradients' norms, in the first `steps`. */
export const normsApart = (actual: Trained, expected: Trained, steps = Infinity): number =>
  Math.max(
    ...actual.norms.slice(0, steps).map((one, step) => Math.abs(one / expected.norms[step]! - 1)),
  );
