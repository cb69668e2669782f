// The squares of gradients that lie in pieces on several ranks: what their norm is made of.

import type { Tensor } from "@tensorflow/tfjs-core";
import type { ProcessGroup } from "@tessera/collectives";
import { callMultiTensor, sumOfSquares } from "@tessera/kernels";
import { leaves, type Tree } from "@tessera/params";

/** The sum of squares of all leaves, each counted as `share` says, over the ranks of `group`, if any. */
export function sumSquares(
  group: ProcessGroup | null,
  tree: Tree,
  share: (path: string) => number,
): Tensor {
  const named = leaves<Tensor>(tree);
  const factors = named.map(([path]) => share(path));
  const { total: own } = callMultiTensor(
    sumOfSquares,
    { xs: named.map(([, x]) => x) },
    { factors },
  );
  if (group === null) return own;
  const total = group.allReduce(own).wait();
  own.dispose();
  return total;
}
