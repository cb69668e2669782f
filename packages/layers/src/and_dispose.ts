// Ops that consume their inputs: the result replaces them.

import { add, reshape, type Tensor } from "@tensorflow/tfjs-core";

/** x under another shape, without a copy. Consumes x. */
export function reshapeAndDispose(x: Tensor, shape: readonly number[]): Tensor {
  const reshaped = reshape(x, [...shape]);
  x.dispose();
  return reshaped;
}

/** a + b. Consumes both. */
export function addAndDispose(a: Tensor, b: Tensor): Tensor {
  const sum = add(a, b);
  a.dispose();
  b.dispose();
  return sum;
}
