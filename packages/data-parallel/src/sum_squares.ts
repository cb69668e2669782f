// The squares of gradients that lie in pieces on several ranks: what their norm is made of.

import { addN, mul, tidy, type Tensor } from "@tensorflow/tfjs-core";
import type { ProcessGroup } from "@tessera/collectives";
import { call, sumOfSquares } from "@tessera/kernels";
import { leaves, type Tree } from "@tessera/layers";

/** The sum of squares of all leaves, each counted as `share` says, over the ranks of `group`, if any. */
export function sumSquares(
  group: ProcessGroup | null,
  tree: Tree,
  share: (path: string) => number,
): Tensor {
  const own = tidy(() =>
    addN(
      leaves<Tensor>(tree).map(([path, x]) => {
        const { total } = call(sumOfSquares, { x }, {});
        return share(path) === 1 ? total : mul(total, share(path));
      }),
    ),
  );
  if (group === null) return own;
  const total = group.allReduce(own).wait();
  own.dispose();
  return total;
}
