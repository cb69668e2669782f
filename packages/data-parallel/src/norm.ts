// The norm of gradients that lie in pieces on several ranks.

import { addN, sqrt, tidy, type Tensor } from "@tensorflow/tfjs-core";
import type { ProcessGroup } from "@tessera/collectives";
import { call, sumOfSquares } from "@tessera/kernels";
import { leaves, type Tree } from "@tessera/layers";

/** The Euclidean norm of all ranks' leaves taken as one vector: a scalar, the same on every rank. */
export function normOverRanks(pieces: Tree, group: ProcessGroup): Tensor {
  const squares = tidy(() =>
    addN(leaves<Tensor>(pieces).map(([, x]) => call(sumOfSquares, { x }, {}).total)),
  );
  const total = group.allReduce(squares).wait();
  const norm = sqrt<Tensor>(total);
  squares.dispose();
  total.dispose();
  return norm;
}
