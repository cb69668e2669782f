// Stages that share the layers train as one rank does, in every schedule, whatever else is shared.

import { describe, expect, test } from "@jest/globals";
import { lossesApart, normsApart, treesApart } from "./programs/compare.js";
import type { Layout } from "./programs/layouts.js";
import { runLayouts } from "./programs/run_layouts.js";

const GOLDEN = { stage: 0, accumulation: 4, dropout: 0, steps: 20, bucketBytes: 2 ** 12 } as const;

/** What is trained: each of them first on one rank. */
const runs = {
  golden: GOLDEN,
  dropout: { ...GOLDEN, dropout: 0.1, steps: 6 },
  "eight layers": { ...GOLDEN, changes: { layerCount: 8 }, steps: 6 },
} as const satisfies Record<string, Layout>;

type Name = keyof typeof runs;
const names = Object.keys(runs) as Name[];

type Row = readonly [run: Name, of: Partial<Layout>];

const rows: Readonly<Record<2 | 4 | 8, readonly Row[]>> = {
  2: [
    ["golden", { pipeline: 2, schedule: "1f1b" }],
    ["golden", { pipeline: 2, schedule: "gpipe" }],
    ["golden", { pipeline: 2, schedule: "zero-bubble" }],
    ["dropout", { pipeline: 2, schedule: "interleaved", chunks: 2 }],
  ],
  4: [
    ["golden", { pipeline: 4, schedule: "1f1b" }],
    ["golden", { pipeline: 2, tensor: 2, schedule: "zero-bubble", sequence: true }],
    ["dropout", { pipeline: 2, stage: 1, schedule: "1f1b" }],
    ["dropout", { pipeline: 2, stage: 1, schedule: "interleaved", chunks: 2 }],
    ["dropout", { pipeline: 2, stage: 2, schedule: "zero-bubble" }],
    ["dropout", { pipeline: 2, stage: 3, schedule: "1f1b" }],
    ["eight layers", { pipeline: 4, schedule: "interleaved", chunks: 2 }],
    ["eight layers", { pipeline: 4, schedule: "zero-bubble" }],
  ],
  8: [
    ["golden", { pipeline: 2, tensor: 2, stage: 1, schedule: "1f1b" }],
    ["dropout", { pipeline: 4, tensor: 2, sequence: true, schedule: "1f1b" }],
    ["eight layers", { pipeline: 4, stage: 1, schedule: "interleaved", chunks: 2 }],
    [
      "dropout",
      { pipeline: 2, tensor: 2, sequence: true, stage: 1, schedule: "interleaved", chunks: 2 },
    ],
  ],
};

const references = runLayouts(1, Object.values(runs)).then(([one]) => one!);

describe.each([2, 4, 8] as const)("%s ranks", (ranks) => {
  test("train as one does", async () => {
    const of = rows[ranks];
    const all = await runLayouts(
      ranks,
      of.map(([name, layout]): Layout => ({ ...runs[name], ...layout })),
    );
    const expected = await references;
    for (const [i, [name, layout]] of of.entries()) {
      const reference = expected[names.indexOf(name)]!;
      for (const rank of all) {
        const { gradients, leaked, disagreement } = rank[i]!;
        const isClose = {
          losses: lossesApart(rank[i]!, reference) < 1e-5,
          norms: normsApart(rank[i]!, reference, 20) < 1e-4,
          gradients: treesApart(gradients, reference.gradients) < 1e-4,
        };
        expect({ name, layout, ...isClose, leaked, disagreement }).toEqual({
          ...{ name, layout, losses: true, norms: true, gradients: true },
          ...{ leaked: 0, disagreement: null },
        });
      }
    }
  });
});
