// What a rank's memory holds, against the sums of the paper (Rajbhandari et al., 2020): of n weights and an
// optimizer of k numbers each, in fp32, stage by stage.

import { expect, test } from "@jest/globals";
import { matrix, vector, type ParamSpec, type TreeOf } from "@tessera/params";
import { peakBytes, rankMemory } from "./index.js";

const columns = { dim: 1, units: 4, unitName: "columns", rule: "even" } as const;

/** A table of 12 numbers, and a stack of layers of 40 and of 24. */
const spec: TreeOf<ParamSpec> = {
  table: matrix([3, 4], null, 1),
  blocks: {
    "0": {
      up: matrix([4, 4], columns, 1),
      down: matrix([4, 4], columns, 1),
      gain: vector([8], null, 1),
    },
    "1": { up: matrix([4, 4], columns, 1), gain: vector([8], null, 1) },
  },
};
const ALL = 4 * (12 + 40 + 24);

test.each([
  [0, 1, 1, 1],
  [1, 1, 1, 4],
  [2, 1, 4, 4],
  [3, 4, 4, 4],
] as const)(
  "ZeRO %i on four ranks shares what the paper says",
  (stage, weightRanks, gradientRanks, slotRanks) => {
    const memory = rankMemory(spec, { stage, ranks: 4, slots: 2 });
    expect(memory).toMatchObject({
      weights: ALL / weightRanks,
      gradients: ALL / gradientRanks,
      optimizer: (2 * ALL) / slotRanks,
    });
  },
);

test("what is whole for a moment is the largest gradient, or a layer's weights, the next ones and gradients", () => {
  const passing = (stage: 0 | 2 | 3, ranks: number, of = spec) =>
    rankMemory(of, { stage, ranks, slots: 2 }).transient;
  const largest = 4 * 16;
  expect([passing(0, 4), passing(2, 4), passing(3, 1)]).toEqual([largest, largest, largest]);
  expect([passing(3, 2), passing(3, 4)]).toEqual([3 * 4 * 40, 3 * 4 * 40]);
  // A table larger than the layers: its weights and its gradient.
  const wide = {
    ...(spec as Readonly<Record<string, TreeOf<ParamSpec>>>),
    table: matrix([100, 4], null, 1),
  };
  expect(passing(3, 4, wide)).toBe(2 * 4 * 400);
  expect(passing(3, 4, { table: matrix([3, 4], null, 1) })).toBe(2 * 4 * 12);
});

test("a rank counts its part of what tensor parallelism splits", () => {
  const part = { index: 1, count: 2 };
  const { weights } = rankMemory(spec, { stage: 0, ranks: 1, slots: 2, shard: part });
  expect(weights).toBe(4 * (12 + (16 + 8) + (8 + 8)));
});

test("the most at once is at the head or at the end of backward, whichever holds more", () => {
  const of = { weights: 1000, gradients: 100, optimizer: 2000, transient: 7 };
  expect(peakBytes(of, 50, 1)).toBe(3100); // all gradients, at the end
  expect(peakBytes(of, 500, 1)).toBe(3507); // activations, at the head of the only micro-batch
  expect(peakBytes(of, 500, 2)).toBe(3607); // the same, and gradients of those before
});
