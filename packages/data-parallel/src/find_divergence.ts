// Checks that replicas agree. Weights are never broadcast to make them agree: they are a function of the seed.

import { concat, reshape, sum, tidy, type Tensor } from "@tensorflow/tfjs-core";
import type { ProcessGroup } from "@tessera/collectives";
import { call, callMultiTensor, roundSum, sumOfSquares } from "@tessera/kernels";
import { leaves, type Tree } from "@tessera/params";

/**
 * The path of the first leaf whose sum, or sum of squares, differs between ranks; null if none does. A collective
 * call: all ranks of `group` call it, with full trees.
 */
export function findDivergence(tree: Tree, group: ProcessGroup): string | null {
  const named = leaves<Tensor>(tree);
  const checksums = tidy(() =>
    concat(
      named.flatMap(([, x]) => {
        const squares = callMultiTensor(sumOfSquares, { xs: [x] }, {}).total;
        const totals = [sum<Tensor>(x), call(roundSum, { sum: squares }, {}).total];
        return totals.map((total) => reshape(total, [1]));
      }),
    ),
  );
  const [max, min] = (["max", "min"] as const).map((op) => {
    const reduced = group.allReduce(checksums, op).wait();
    const values = reduced.dataSync();
    reduced.dispose();
    return values;
  });
  checksums.dispose();
  const first = max!.findIndex((value, i) => !Object.is(value, min![i]!));
  return first === -1 ? null : named[Math.floor(first / 2)]![0];
}
