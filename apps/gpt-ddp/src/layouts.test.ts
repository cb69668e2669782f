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
  { stage, accumulation: 1, ...WITH_DROPOUT, bucketBytes: 2 ** 12 },
  { stage, accumulation: 4, ...WITH_DROPOUT, bucketBytes: 2 ** 12 },
]);

const likeGptj = {
  positions: { kind: "rotary", base: 10_000, share: 0.5, pairs: "neighbours" },
  parallelBlock: true,
  biases: { attention: false, mlp: true, head: true },
  tiedEmbeddings: false,
} as const;

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
  600_000,
);

const OTHERS = { accumulation: 2, dropout: 0, steps: 4, rows: 24, bucketBytes: 2 ** 12 };

/**
 * What else must not matter, each with its tolerance: 16-bit activations turn the last digits of an fp32 sum
 * into one of their own.
 */
const others = {
  "tokens that do not count": [{ ...OTHERS, masked: true }, TOLERANCE],
  "GPT-J": [{ ...OTHERS, changes: likeGptj }, TOLERANCE],
  bf16: [{ ...OTHERS, storage: "bf16" }, 5e-4],
  fp16: [{ ...OTHERS, storage: "fp16" }, 5e-4],
} as const satisfies Record<string, [Omit<Layout, "stage">, number]>;

test("three ranks, which divide no parameter evenly, train as one does", async () => {
  const rows = Object.entries(others).flatMap(([name, [layout, tolerance]]) =>
    ([0, 1, 2, 3] as const).map((stage) => ({ name, tolerance, layout: { ...layout, stage } })),
  );
  const alone = Object.values(others).map(([layout]): Layout => ({ ...layout, stage: 0 }));
  const [one] = await runLayouts(
    1,
    alone.map((layout) => ({ ...layout, accumulation: 1 })),
  );
  const many = await runLayouts(
    3,
    rows.map(({ layout }) => layout),
  );
  rows.forEach(({ name, tolerance, layout: { stage } }, i) => {
    const expected = one![Math.floor(i / 4)]!;
    for (const rank of many) {
      const { leaked, disagreement } = rank[i]!;
      const worst = Math.max(
        lossesApart(rank[i]!, expected),
        normsApart(rank[i]!, expected) / 10,
        treesApart(rank[i]!.weights, expected.weights),
      );
      const found = { leaked, disagreement, worst: worst < tolerance ? "equal" : worst };
      expect([name, stage, found]).toEqual([
        name,
        stage,
        { leaked: 0, disagreement: null, worst: "equal" },
      ]);
    }
  });
}, 240_000);
