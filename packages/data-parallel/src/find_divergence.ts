// Whether all ranks hold the same weights. No rank ever sends its weights to make it so: they are a
// function of the seed.

import { concat, reshape, sum, tidy, type Tensor } from "@tensorflow/tfjs-core";
import type { ProcessGroup } from "@tessera/collectives";
import { callMultiTensor, sumOfSquares } from "@tessera/kernels";
import { leaves, type Tree } from "@tessera/params";

/**
 * The path of the first leaf whose sum, or sum of squares, is not the same on all ranks, or null.
 * Called by all ranks of `group`, with whole trees.
 */
export function findDivergence(tree: Tree, group: ProcessGroup): string | null {
  const named = leaves<Tensor>(tree);
  const sums = tidy(() =>
    concat(
      named.flatMap(([, x]) => [
        reshape(sum(x), [1]),
        reshape(callMultiTensor(sumOfSquares, { xs: [x] }, { factors: [1] }).total, [1]),
      ]),
    ),
  );
  const [most, least] = (["max", "min"] as const).map((op) => {
    const reduced = group.allReduce(sums, op).wait();
    const values = reduced.dataSync();
    reduced.dispose();
    return values;
  });
  sums.dispose();
  const first = most!.findIndex((value, i) => !Object.is(value, least![i]!));
  return first === -1 ? null : named[Math.floor(first / 2)]![0];
}
