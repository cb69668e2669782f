// Sixteen tensor-parallel ranks that each compute all tokens; npm test has those that share them.

import { expect, test } from "@jest/globals";
import { lossesApart, normsApart, treesApart } from "./programs/compare.js";
import type { Layout, Trained } from "./programs/layouts.js";
import { runLayouts } from "./programs/run_layouts.js";

const layout: Layout = {
  ...{ stage: 0, accumulation: 1, dropout: 0, steps: 20, bucketBytes: 2 ** 12 },
  changes: { headCount: 8 },
};

test("sixteen ranks share eight heads", async () => {
  const [[expected]] = (await runLayouts(1, [layout])) as [[Trained]];
  for (const [trained] of await runLayouts(16, [{ ...layout, tensor: 8 }])) {
    const rank = trained!;
    expect(lossesApart(rank, expected)).toBeLessThan(1e-5);
    expect(normsApart(rank, expected)).toBeLessThan(1e-4);
    expect(treesApart(rank.gradients, expected.gradients)).toBeLessThan(1e-4);
    expect([rank.leaked, rank.disagreement]).toEqual([0, null]);
  }
});
