// The sum of squares of gradients that are sharded over ranks, from which their global norm is computed.

import type { Tensor } from "@tensorflow/tfjs-core";
import type { ProcessGroup } from "@tessera/collectives";
import { callMultiTensor, sumOfSquares } from "@tessera/kernels";
import { leaves, type Tree } from "@tessera/params";

/** The sum of squares of all leaves, each times `weight` of its path; over the ranks of `group`, unless null. */
export function sumSquares(
  group: ProcessGroup | null,
  tree: Tree,
  weight: (path: string) => number,
): Tensor {
  const named = leaves<Tensor>(tree);
  const xs = named.map(([, x]) => x);
  const factors = named.map(([path]) => weight(path));
  const { total: local } = callMultiTensor(sumOfSquares, { xs }, { factors });
  if (group === null) return local;
  const total = group.allReduce(local).wait();
  local.dispose();
  return total;
}
