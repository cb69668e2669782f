// The same seed gives the same training under every layout: ranks, ZeRO stages, accumulation, buckets.

import { expect, test } from "@jest/globals";
import { lossesApart, normsApart, treesApart } from "./programs/compare.js";
import type { Layout } from "./programs/layouts.js";
import { runLayouts } from "./programs/run_layouts.js";

const TOLERANCE = 1e-5;

const GOLDEN = { dropout: 0, steps: 20 };
const WITH_DROPOUT = { dropout: 0.1, steps: 6 };

const layouts: Layout[] = ([0, 1, 2, 3] as const).flatMap((stage) => [
  { stage, accumulation: 1, ...GOLDEN, bucketBytes: 2 ** 14 },
  { stage, accumulation: 4, ...GOLDEN, bucketBytes: 2 ** 14 },
  { stage, accumulation: 2, ...WITH_DROPOUT, bucketBytes: 2 ** 12 },
]);

const nameOf = ({ stage, accumulation, dropout }: Layout): string =>
  `ZeRO ${stage}, accumulation ${accumulation}, dropout ${dropout}`;

const references = runLayouts(
  1,
  [GOLDEN, WITH_DROPOUT].map((of) => ({ stage: 0, accumulation: 1, ...of, bucketBytes: 0 })),
);

test.each([1, 2, 4, 8])(
  "%s ranks train as one does, in every ZeRO stage",
  async (ranks) => {
    const [reference] = await references;
    const all = await runLayouts(ranks, layouts);
    layouts.forEach((layout, i) => {
      const expected = reference![layout.dropout === 0 ? 0 : 1]!;
      for (const rank of all) {
        const { weights, leaked, disagreement } = rank[i]!;
        const worst = Math.max(
          lossesApart(rank[i]!, expected),
          normsApart(rank[i]!, expected) / 10,
          treesApart(weights, expected.weights),
        );
        expect([nameOf(layout), worst < TOLERANCE ? "equal" : worst]).toEqual([
          nameOf(layout),
          "equal",
        ]);
        expect({ leaked, disagreement }).toEqual({ leaked: 0, disagreement: null });
      }
    });
  },
  240_000,
);
