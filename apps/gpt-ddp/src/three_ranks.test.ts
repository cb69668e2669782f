// Three data-parallel ranks, which divide no parameter evenly, train as one does, in every ZeRO stage and dtype.

import { expect, test } from "@jest/globals";
import { lossesApart, normsApart, treesApart } from "./programs/compare.js";
import type { Layout } from "./programs/layouts.js";
import { runLayouts } from "./programs/run_layouts.js";

const TOLERANCE = 1e-5;

const likeGptj = {
  positions: { kind: "rotary", base: 10_000, fraction: 0.5, pairs: "neighbours" },
  parallelBlock: true,
  biases: { attention: false, mlp: true, head: true },
  tiedEmbeddings: false,
} as const;

const COMMON = { accumulation: 2, dropout: 0, steps: 4, rows: 24, bucketBytes: 2 ** 12 };

/** 16-bit activations turn the last digits of an fp32 sum into one of their own. */
const runs = {
  "tokens that do not count": [{ ...COMMON, masked: true }, TOLERANCE],
  "GPT-J": [{ ...COMMON, changes: likeGptj }, TOLERANCE],
  "parameter groups": [{ ...COMMON, groups: true }, TOLERANCE],
  bf16: [{ ...COMMON, storage: "bf16" }, 5e-4],
  fp16: [{ ...COMMON, storage: "fp16" }, 5e-4],
} as const satisfies Record<string, [Omit<Layout, "stage">, number]>;

const stages = [0, 1, 2, 3] as const;
const layouts = Object.values(runs).map(([layout]) => layout);
const references = runLayouts(
  1,
  layouts.map((layout) => ({ ...layout, accumulation: 1, stage: 0 })),
);
const trained = runLayouts(
  3,
  layouts.flatMap((layout) => stages.map((stage) => ({ ...layout, stage }))),
);

test.each(Object.keys(runs) as (keyof typeof runs)[])("%s", async (name) => {
  const at = Object.keys(runs).indexOf(name);
  const [, tolerance] = runs[name];
  const expected = (await references)[0]![at]!;
  for (const rank of await trained) {
    for (const stage of stages) {
      const found = rank[stages.length * at + stage]!;
      const worst = Math.max(
        lossesApart(found, expected),
        normsApart(found, expected) / 10,
        treesApart(found.weights, expected.weights),
      );
      const { leaked, disagreement } = found;
      const isClose = worst < tolerance || worst;
      expect({ stage, isClose, leaked, disagreement }).toEqual({
        ...{ stage, isClose: true, leaked: 0, disagreement: null },
      });
    }
  }
});
