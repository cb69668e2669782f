// The sum of squares of gradients that are sharded over ranks, from which their global norm is computed.

import type { Tensor } from "@tensorflow/tfjs-core";
import type { ProcessGroup } from "@tessera/collectives";
import { callMultiTensor, sumOfSquares } from "@tessera/kernels";
import { leaves, type Tree } from "@tessera/params";
import { claim, type Placed } from "@tessera/params/placement";
import { conversions } from "@tessera/parallel";

/** The sum of squares of all leaves, each times `weight` of its path; over the ranks of `group`, unless null. */
export function sumSquares(
  group: ProcessGroup | null,
  tree: Tree,
  weight: (path: string) => number,
): Placed<"invariant", "data"> {
  const named = leaves<Tensor>(tree);
  const xs = named.map(([, x]) => x);
  const factors = named.map(([path]) => weight(path));
  const { total: squares } = callMultiTensor(sumOfSquares, { xs }, { factors });
  if (group === null) return claim(squares);
  const local = claim<"partial", "data">(squares);
  const total = conversions<"data">(group).allReduce(local).wait();
  local.dispose();
  return total;
}
