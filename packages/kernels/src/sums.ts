// Sums over whole tensors: of gradients, and of their squares.

import {
  add,
  addN,
  matMul,
  mul,
  reshape,
  transpose,
  zeros,
  type Tensor,
} from "@tensorflow/tfjs-core";
import { expectShape, kernel, sizeOf, type NoAttributes } from "./kernel.js";
import type { MultiTensorKernel } from "./multi_tensor.js";

/** sum + gradient, both of one shape, in place where the backend can. */
export const accumulate = kernel({
  name: "TesseraAccumulate",
  inputs: ["sum", "gradient"],
  outputs: ["total"],
  consumes: ["sum", "gradient"],
  shapes({ sum, gradient }) {
    expectShape("accumulate", "gradient", gradient, sum);
    return { total: sum };
  },
  composite: ({ sum, gradient }) => ({ total: add(sum, gradient) }),
});

/** sums[i] + gradients[i] for all i, in place where the backend can. */
export const accumulateAll: MultiTensorKernel<
  "sums" | "gradients",
  never,
  "totals",
  never,
  NoAttributes
> = {
  name: "TesseraAccumulateAll",
  lists: ["sums", "gradients"],
  inputs: [],
  outputLists: ["totals"],
  outputs: [],
  consumes: ["sums", "gradients"],
  shapes({ sums, gradients }) {
    gradients.forEach((gradient, i) =>
      expectShape("accumulateAll", `gradients[${i}]`, gradient, sums[i]!),
    );
    return { totals: sums };
  },
  composite: ({ sums, gradients }) => ({
    totals: sums.map((sum, i) => add<Tensor>(sum, gradients[i]!)),
  }),
};

/**
 * total [] = the sum over all tensors of factor x (the sum of the squares of its elements), with one
 * factor per tensor: a replicated tensor counts once among its ranks.
 */
export const sumOfSquares: MultiTensorKernel<
  "xs",
  never,
  never,
  "total",
  { factors: readonly number[] }
> = {
  name: "TesseraSumOfSquares",
  lists: ["xs"],
  inputs: [],
  outputLists: [],
  outputs: ["total"],
  shapes({ xs }, { factors }) {
    if (factors.length !== xs.length) {
      throw new Error(`sumOfSquares: ${factors.length} factors for ${xs.length} tensors`);
    }
    return { total: [] };
  },
  composite({ xs }, { factors }) {
    if (xs.length === 0) return { total: zeros([]) };
    const squares = xs.map((x, i) => {
      const row = reshape(x, [1, sizeOf(x.shape)]);
      const square = reshape(matMul(row, transpose(row)), []);
      return factors[i] === 1 ? square : mul<Tensor>(square, factors[i]!);
    });
    return { total: addN(squares) };
  },
};
