// Sums of gradients.

import { add, type Tensor } from "@tensorflow/tfjs-core";
import { expectShape, kernel, type NoAttributes } from "./kernel.js";
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
