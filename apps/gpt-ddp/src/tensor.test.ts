// Tensor-parallel ranks where the matrix of layouts does not go: sixteen ranks, heads of an odd width, 16 bits.

import { describe, expect, test } from "@jest/globals";
import { lossesApart, normsApart, treesApart, vectorsApart } from "./programs/compare.js";
import type { Layout, Trained } from "./programs/layouts.js";
import { runLayouts } from "./programs/run_layouts.js";

const COMMON = { stage: 0, accumulation: 1, dropout: 0, bucketBytes: 2 ** 12 } as const;

const eightHeads: Layout = { ...COMMON, steps: 2, changes: { headCount: 8 } };

/** The heads and the width of a 1.4B example that 8 ranks share: heads of 86, which no vector divides. */
const oddHeads: Layout = {
  ...COMMON,
  ...{ steps: 2, rows: 8, lossesOnly: true },
  changes: {
    layerCount: 1,
    headCount: 24,
    hiddenSize: 2064,
    ffnHiddenSize: 344,
    vocabularySize: 389,
  },
};

const golden: Layout = { ...COMMON, steps: 20 };
const bf16: Layout = { ...golden, storage: "bf16" };

const references = runLayouts(1, [eightHeads, oddHeads, golden, bf16]).then(([one]) => one!);

function expectSame(all: readonly Trained[][], at: number, expected: Trained): void {
  for (const rank of all) {
    const { gradients, leaked, disagreement } = rank[at]!;
    const isClose = {
      losses: lossesApart(rank[at]!, expected) < 1e-5,
      norms: normsApart(rank[at]!, expected) < 1e-4,
      gradients: treesApart(gradients, expected.gradients) < 1e-4,
    };
    expect({ ...isClose, leaked, disagreement }).toEqual({
      ...{ losses: true, norms: true, gradients: true },
      ...{ leaked: 0, disagreement: null },
    });
  }
}

const sequences = [false, true] as const;

test("eight ranks share heads of 86, and tokens too", async () => {
  const all = await runLayouts(
    8,
    sequences.map((sequence) => ({ ...oddHeads, tensor: 8, sequence })),
  );
  const [, expected] = await references;
  for (const at of sequences.keys()) expectSame(all, at, expected!);
});

test("sixteen ranks share eight heads, and tokens too", async () => {
  const all = await runLayouts(16, [{ ...eightHeads, tensor: 8, sequence: true }]);
  const [expected] = await references;
  expectSame(all, 0, expected!);
});

/**
 * Ranks round parts of sums to 16 bits where one rank rounds the sums, so they are as far from each other as
 * from fp32. Norms are compared while training is calm: later each step magnifies what the last one left,
 * so that even data-parallel ranks, whose first gradients agree to 1e-6, end 7% apart.
 */
describe.each([
  [2, [2]],
  [4, [4, 2]],
] as const)("in bf16, %i ranks", (ranks, degrees) => {
  const layouts = degrees.flatMap((tensor) => sequences.map((sequence) => ({ tensor, sequence })));
  const trained = runLayouts(
    ranks,
    layouts.map((layout) => ({ ...bf16, ...layout })),
  );

  test.each(layouts.map((layout, at) => [layout, at] as const))(
    "are as near as rounding allows: %j",
    async (_layout, at) => {
      const [, , inFp32, inBf16] = await references;
      const error = ({ gradients }: Trained) => vectorsApart(gradients, inFp32!.gradients);
      for (const rank of await trained) {
        const actual = rank[at]!;
        expect(lossesApart(actual, inBf16!)).toBeLessThan(1e-3);
        expect(normsApart(actual, inBf16!, 10)).toBeLessThan(1e-2);
        expect(vectorsApart(actual.gradients, inBf16!.gradients)).toBeLessThan(1e-2);
        expect(error(actual)).toBeLessThan(1.15 * error(inBf16!));
      }
    },
  );
});
