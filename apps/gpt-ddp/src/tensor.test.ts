// Ranks that share each layer train as one rank does, whatever else is shared: tokens, samples, moments.

import { describe, expect, test } from "@jest/globals";
import { lossesApart, normsApart, treesApart } from "./programs/compare.js";
import type { Layout } from "./programs/layouts.js";
import { runLayouts } from "./programs/run_layouts.js";

const GOLDEN = { stage: 0, accumulation: 1, dropout: 0, steps: 20, bucketBytes: 2 ** 12 } as const;

/** Heads that share keys, and a vocabulary that ranks do not divide. */
const grouped = { headCount: 8, keyHeadCount: 2, vocabularySize: 389 } as const;

const gptj = {
  positions: { kind: "rotary", base: 10_000, share: 0.25, pairs: "neighbours" },
  parallelBlock: true,
  biases: { attention: false, mlp: true, head: true },
  tiedEmbeddings: false,
  vocabularySize: 389,
} as const;

const llama = {
  positions: { kind: "rotary", base: 10_000, share: 1, pairs: "halves" },
  activation: "swiglu",
  norm: "rms",
  keyHeadCount: 2,
  biases: { attention: false, mlp: false, head: false },
  tiedEmbeddings: false,
} as const;

/** What is trained: each of them first on one rank. */
const runs = {
  golden: GOLDEN,
  dropout: { ...GOLDEN, dropout: 0.1, steps: 6, accumulation: 2 },
  "eight heads": { ...GOLDEN, changes: { headCount: 8 }, steps: 6 },
  "key heads": { ...GOLDEN, dropout: 0.1, changes: grouped, steps: 6 },
  "GPT-J": { ...GOLDEN, dropout: 0.1, changes: gptj, steps: 6 },
  Llama: { ...GOLDEN, changes: llama, steps: 6 },
  bf16: { ...GOLDEN, storage: "bf16" },
} as const satisfies Record<string, Layout>;

type Name = keyof typeof runs;
const names = Object.keys(runs) as Name[];

/** The run, the ranks that share each layer, and the ZeRO stage over all other ranks. */
type Row = readonly [run: Name, tensor: number, stage?: Layout["stage"]];

const rows: Readonly<Record<2 | 4 | 8, readonly Row[]>> = {
  2: [
    ["golden", 2],
    ["dropout", 2],
    ["GPT-J", 2],
    ["Llama", 2],
    ["bf16", 2],
  ],
  4: [
    ["golden", 4],
    ["golden", 2, 0],
    ["dropout", 2, 1],
    ["dropout", 2, 2],
    ["dropout", 2, 3],
    ["GPT-J", 2, 2],
    ["Llama", 4],
    ["key heads", 4],
    ["key heads", 2, 3],
  ],
  8: [
    ["golden", 4, 0],
    ["dropout", 4, 1],
    ["eight heads", 8],
    ["key heads", 8],
    ["key heads", 4, 1],
    ["key heads", 4, 3],
    ["GPT-J", 4, 1],
  ],
};

const references = runLayouts(1, Object.values(runs)).then(([one]) => one!);

describe.each([2, 4, 8] as const)("%s ranks", (ranks) => {
  test.each([false, true])(
    "train as one does, tokens shared out: %s",
    async (sequence) => {
      const of = rows[ranks];
      const layouts = of.map(([name, tensor, stage = 0]): Layout => ({
        ...runs[name],
        tensor,
        stage,
        sequence,
      }));
      const all = await runLayouts(ranks, layouts);
      const expected = await references;
      for (const [i, [name, tensor, stage]] of of.entries()) {
        const reference = expected[names.indexOf(name)]!;
        const [tolerance, steps] = name === "bf16" ? [1e-2, 1] : [1e-5, 20];
        for (const rank of all) {
          const { gradients, leaked, disagreement } = rank[i]!;
          const isClose = {
            losses: lossesApart(rank[i]!, reference) < tolerance,
            norms: normsApart(rank[i]!, reference, steps) < 10 * tolerance,
            gradients: treesApart(gradients, reference.gradients) < 10 * tolerance,
          };
          expect({ name, tensor, stage, ...isClose, leaked, disagreement }).toEqual({
            ...{ name, tensor, stage, losses: true, norms: true, gradients: true },
            ...{ leaked: 0, disagreement: null },
          });
        }
      }
    },
    240_000,
  );
});
