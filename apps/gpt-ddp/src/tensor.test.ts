// Ranks that share each layer train as one rank does, whatever else is shared: tokens, samples, moments.

import { describe, expect, test } from "@jest/globals";
import { lossesApart, normsApart, treesApart, vectorsApart } from "./programs/compare.js";
import type { Layout, Trained } from "./programs/layouts.js";
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

/** The heads and the width of a 1.4B example that 8 ranks share: heads of 86, which no vector divides. */
const odd = {
  layerCount: 1,
  headCount: 24,
  hiddenSize: 2064,
  innerSize: 344,
  vocabularySize: 389,
} as const;

/** What is trained: each of them first on one rank. */
const runs = {
  golden: GOLDEN,
  dropout: { ...GOLDEN, dropout: 0.1, steps: 6, accumulation: 2 },
  recomputed: { ...GOLDEN, dropout: 0.1, steps: 6, recompute: "attention" },
  "eight heads": { ...GOLDEN, changes: { headCount: 8 } },
  "key heads": { ...GOLDEN, dropout: 0.1, changes: grouped, steps: 6 },
  "GPT-J": { ...GOLDEN, dropout: 0.1, changes: gptj, steps: 6 },
  Llama: { ...GOLDEN, changes: llama, steps: 6 },
  "heads of 86": { ...GOLDEN, changes: odd, steps: 2, rows: 8, lossesOnly: true },
  bf16: { ...GOLDEN, storage: "bf16" },
} as const satisfies Record<string, Layout>;

type Name = keyof typeof runs;
const names = Object.keys(runs) as Name[];

/** The run, the ranks that share each layer, and the ZeRO stage over all other ranks. */
type Row = readonly [run: Name, tensor: number, stage?: Layout["stage"]];

const rows: Readonly<Record<2 | 4 | 8 | 16, readonly Row[]>> = {
  2: [
    ["golden", 2],
    ["dropout", 2],
    ["GPT-J", 2],
    ["Llama", 2],
    ["recomputed", 2],
  ],
  4: [
    ["golden", 4],
    ["golden", 2, 0],
    ["dropout", 2, 1],
    ["dropout", 2, 2],
    ["dropout", 2, 3],
    ["GPT-J", 2, 2],
    ["Llama", 4],
    ["recomputed", 2, 3],
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
    ["heads of 86", 8],
  ],
  16: [["eight heads", 8]],
};

const references = runLayouts(1, Object.values(runs)).then(([one]) => one!);

describe.each([2, 4, 8, 16] as const)("%s ranks", (ranks) => {
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
        for (const rank of all) {
          const { gradients, leaked, disagreement } = rank[i]!;
          const isClose = {
            losses: lossesApart(rank[i]!, reference) < 1e-5,
            norms: normsApart(rank[i]!, reference) < 1e-4,
            gradients: treesApart(gradients, reference.gradients) < 1e-4,
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

/**
 * Ranks round parts of sums to 16 bits where one rank rounds the sums, so they are as far from each other as
 * from fp32. Norms are compared while training is calm: later each step magnifies what the last one left,
 * so that even data-parallel ranks, whose first gradients agree to 1e-6, end 7% apart.
 */
describe("in bf16", () => {
  const expectClose = (actual: Trained, inBf16: Trained, inFp32: Trained): void => {
    expect(lossesApart(actual, inBf16)).toBeLessThan(1e-3);
    expect(normsApart(actual, inBf16, 10)).toBeLessThan(1e-2);
    expect(vectorsApart(actual.gradients, inBf16.gradients)).toBeLessThan(1e-2);
    const error = ({ gradients }: Trained) => vectorsApart(gradients, inFp32.gradients);
    expect(error(actual)).toBeLessThan(1.15 * error(inBf16));
  };

  test.each([
    [2, 2, false],
    [2, 2, true],
    [4, 4, false],
    [4, 4, true],
    [4, 2, false],
    [4, 2, true],
  ])(
    "%i ranks, %i of which share each layer, tokens shared out: %s, are as near as rounding allows",
    async (ranks, tensor, sequence) => {
      const one = await references;
      const all = await runLayouts(ranks, [{ ...runs.bf16, tensor, sequence }]);
      for (const [rank] of all) {
        expectClose(rank!, one[names.indexOf("bf16")]!, one[names.indexOf("golden")]!);
      }
    },
    240_000,
  );
});
