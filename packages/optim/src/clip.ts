// Clipping by the norm of all gradients together (Pascanu et al., 2013). Nothing is read back: the
// norm and the factor stay on the device.

import { add, div, minimum, mul, sqrt, tidy, type Tensor } from "@tensorflow/tfjs-core";
import { call, callMultiTensor, roundSum, sumOfSquares } from "@tessera/kernels";
import { leaves, type Tree } from "@tessera/params";

/** The Euclidean norm of all leaves taken as one vector: a scalar. */
export const globalNorm = (gradients: Tree): Tensor =>
  tidy(() => {
    const xs = leaves<Tensor>(gradients).map(([, x]) => x);
    const sum = callMultiTensor(sumOfSquares, { xs }, {}).total;
    return sqrt(call(roundSum, { sum }, {}).total);
  });

/**
 * What to multiply gradients of norm `norm` by so that it is at most `limit` (infinite for none);
 * PyTorch's formula. NaN where the norm is not finite: optimizers leave that step out.
 */
export const clipFactor = (norm: Tensor, limit: number): Tensor =>
  tidy(() => {
    const factor = minimum(div(limit, add(norm, 1e-6)), 1);
    return add(factor, mul(norm, 0));
  });
