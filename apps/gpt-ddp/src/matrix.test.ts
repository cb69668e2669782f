// Ranks train as one does, whatever they share: samples, layers, stages, tokens, the optimizer's state; in
// every schedule, with and without recomputation, dropout and batches that grow. A selection of the matrix
// in which every two choices meet; all of it by `npm run test:matrix`.

import { expect, test } from "@jest/globals";
import { lossesApart, normsApart, treesApart } from "./programs/compare.js";
import type { Layout, Trained } from "./programs/layouts.js";
import { aloneOf, goldenRun, layoutOf, ranksOf, selection, whole } from "./programs/matrix.js";
import { goldenLosses, runLayouts } from "./programs/run_layouts.js";

const isWhole = process.env["TESSERA_MATRIX"] === "whole";
const choices = isWhole ? whole : selection();

interface Row {
  readonly name: string;
  readonly ranks: number;
  readonly layout: Layout;
  /** The same on one rank. */
  readonly alone: Layout;
}

/** What each stage of ZeRO does with stages of a pipeline. */
const DROPOUT = {
  stage: 0,
  accumulation: 4,
  dropout: 0.1,
  steps: 20,
  bucketBytes: 2 ** 12,
} as const;
const zero = ([2, 3] as const).map((stage): Row => {
  const layout: Layout = {
    ...DROPOUT,
    stage,
    pipeline: 2,
    recompute: { kind: "uniform", layers: 1 },
  };
  return { name: `ZeRO ${stage}`, ranks: 4, layout, alone: DROPOUT };
});

const rows: readonly Row[] = [
  ...choices.map((choice) => ({
    name: JSON.stringify(choice),
    ranks: ranksOf(choice),
    layout: layoutOf(choice),
    alone: aloneOf(choice),
  })),
  ...zero,
];

const keyOf = (layout: Layout): string => JSON.stringify(layout);
const alone = [...new Map(rows.map((row) => [keyOf(row.alone), row.alone])).values()];
const references = runLayouts(1, alone).then(
  ([one]) => new Map(alone.map((layout, i) => [keyOf(layout), one![i]!])),
);

/** Relative. */
const TOLERANCE = 1e-5;

/** What of `trained` is not as it is on one rank. */
function differences(trained: Trained, expected: Trained): Readonly<Record<string, unknown>> {
  const { consumed, leaked, disagreement, gradients } = trained;
  const apart = {
    losses: lossesApart(trained, expected),
    norms: normsApart(trained, expected),
    gradients: treesApart(gradients, expected.gradients),
  };
  return {
    ...Object.fromEntries(Object.entries(apart).filter(([, far]) => !(far < TOLERANCE))),
    ...(consumed.join() !== expected.consumed.join() && { consumed }),
    ...(leaked > 0 && { leaked }),
    ...(disagreement !== null && { disagreement }),
  };
}

/** Layouts that one start of ranks trains: as many as a test has time for. */
const TOGETHER = 8;

const batches = [1, 2, 4, 8].flatMap((ranks) => {
  const of = rows.filter((row) => row.ranks === ranks);
  return Array.from({ length: Math.ceil(of.length / TOGETHER) }, (_, i) => ({
    ranks,
    from: i * TOGETHER,
    of: of.slice(i * TOGETHER, (i + 1) * TOGETHER),
  }));
});

test("one rank takes the golden steps", async () => {
  const { losses } = (await references).get(keyOf(goldenRun))!;
  losses.forEach((loss, step) => {
    expect(Math.abs(loss / goldenLosses[step]! - 1)).toBeLessThan(TOLERANCE);
  });
}, 600_000);

test.each(batches)(
  "$ranks ranks, layouts from $from",
  async ({ ranks, of }) => {
    const all = await runLayouts(
      ranks,
      of.map(({ layout }) => layout),
    );
    const expected = await references;
    of.forEach((row, i) => {
      const found = all.map((rank) => differences(rank[i]!, expected.get(keyOf(row.alone))!));
      expect([row.name, found]).toEqual([row.name, found.map(() => ({}))]);
    });
  },
  600_000,
);
