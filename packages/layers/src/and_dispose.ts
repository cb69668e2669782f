// Steps on tensors that the caller owns and gives up: the result takes their place.

import { add, reshape, type Tensor } from "@tensorflow/tfjs-core";

/** `x` under another shape. Frees x; the values stay where they are. */
export function reshapeAndDispose(x: Tensor, shape: readonly number[]): Tensor {
  const shaped = reshape(x, [...shape]);
  x.dispose();
  return shaped;
}

/** a + b. Frees both. */
export function addAndDispose(a: Tensor, b: Tensor): Tensor {
  const sum = add(a, b);
  a.dispose();
  b.dispose();
  return sum;
}
