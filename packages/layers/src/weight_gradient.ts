// The gradient of a matrix that x was multiplied by.

import type { Tensor } from "@tensorflow/tfjs-core";
import { addWeightGradient, call, weightGradient } from "@tessera/kernels";
import type { DeferredGradient } from "@tessera/params";
import { reshapeAndDispose } from "./and_dispose.js";

/** x^T dy as a tensor of `shape`, computed when the sink asks for it. Consumes x and dy, then. */
export function deferWeightGradient(
  x: Tensor,
  dy: Tensor,
  shape: readonly number[],
): DeferredGradient {
  const discard = (): void => {
    x.dispose();
    dy.dispose();
  };
  const finish = (gradient: Tensor): Tensor => {
    discard();
    return reshapeAndDispose(gradient, shape);
  };
  return {
    discard,
    compute: () => finish(call(weightGradient, { x, dy }, {}).dWeight),
    accumulateInto(total) {
      const sum = reshapeAndDispose(total, [shape[0]!, -1]);
      return finish(call(addWeightGradient, { sum, x, dy }, {}).total);
    },
  };
}
