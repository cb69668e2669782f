// The sum of squares of gradients that are sharded over ranks, from which their global norm is computed.

import type { Tensor } from "@tensorflow/tfjs-core";
import type { ProcessGroup } from "@tessera/collectives";
import { callMultiTensor, sumOfSquares } from "@tessera/kernels";
import { leaves, type Tree } from "@tessera/params";
import { claim, type Placed } from "@tessera/params/placement";
import { conversions } from "@tessera/parallel";

/** The exact sum of squares of the leaves that count; over the ranks of `group`, unless null. */
export function sumSquares(
  group: ProcessGroup | null,
  tree: Tree,
  counts: (path: string) => boolean,
): Placed<"invariant", "data"> {
  const xs = leaves<Tensor>(tree).flatMap(([path, x]) => (counts(path) ? [x] : []));
  const { total: squares } = callMultiTensor(sumOfSquares, { xs }, {});
  if (group === null) return claim(squares);
  const local = claim<"partial", "data">(squares);
  const total = conversions<"data">(group).allReduce(local).wait();
  local.dispose();
  return total;
}
