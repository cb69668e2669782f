// Clipping by the norm of all gradients together (Pascanu et al., 2013). Nothing is read back: the
// norm and the factor stay on the device.

import { add, addN, div, minimum, sqrt, tidy, type Tensor } from "@tensorflow/tfjs-core";
import { call, sumOfSquares } from "@tessera/kernels";
import { leaves, type Tree } from "@tessera/layers";

/** The Euclidean norm of all leaves taken as one vector: a scalar. */
export const globalNorm = (gradients: Tree): Tensor =>
  tidy(() =>
    sqrt(addN(leaves<Tensor>(gradients).map(([, x]) => call(sumOfSquares, { x }, {}).total))),
  );

/** What to multiply gradients of norm `norm` by so that it is at most `limit`; PyTorch's formula. */
export const clipFactor = (norm: Tensor, limit: number): Tensor =>
  tidy(() => minimum(div(limit, add(norm, 1e-6)), 1));
