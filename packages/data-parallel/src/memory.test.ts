// Memory of a rank against the formulas of the ZeRO paper (Rajbhandari et al., 2020), for n fp32 weights with k elements
// of optimizer state each.

import { expect, test } from "@jest/globals";
import { matrix, vector, type Like, type ParamSpec, type Tree, type TreeOf } from "@tessera/params";
import { freezeSpec } from "@tessera/params/frozen";
import { peakBytes, rankMemory } from "./index.js";

const columns = { dim: 1, units: 4, unitName: "columns", rule: "even" } as const;

/** An embedding of 12 elements, and layers of 40 and 24 elements. */
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
  ["free", 0, 1, 1, 1],
  ["free", 1, 1, 1, 4],
  ["free", 2, 1, 4, 4],
  ["free", 3, 4, 4, 4],
  ["fixed", 1, 1, 4, 4],
] as const)(
  "%s order, ZeRO %i on four ranks shards what the paper says, in the fixed order gradients from stage 1 on",
  (sumOrder, stage, weightRanks, gradientRanks, slotRanks) => {
    const memory = rankMemory(spec, { stage, sumOrder, ranks: 4, slots: 2 });
    expect(memory).toMatchObject({
      weights: ALL / weightRanks,
      gradients: ALL / gradientRanks,
      optimizer: (2 * ALL) / slotRanks,
    });
  },
);

test("transient memory is the largest gradient, or a layer's weights, the next layer's and gradients", () => {
  const transient = (stage: 0 | 2 | 3, ranks: number, params = spec) =>
    rankMemory(params, { stage, ranks, slots: 2 }).transient;
  const largest = 4 * 16;
  expect([transient(0, 4), transient(2, 4), transient(3, 1)]).toEqual([largest, largest, largest]);
  expect([transient(3, 2), transient(3, 4)]).toEqual([3 * 4 * 40, 3 * 4 * 40]);
  // An embedding larger than the layers: its weights and its gradient.
  const wide = {
    ...(spec as Readonly<Record<string, TreeOf<ParamSpec>>>),
    table: matrix([100, 4], null, 1),
  };
  expect(transient(3, 4, wide)).toBe(2 * 4 * 400);
  expect(transient(3, 4, { table: matrix([3, 4], null, 1) })).toBe(2 * 4 * 12);
});

test("frozen parameters have weights alone", () => {
  const frozen = freezeSpec(spec as Like<Tree, ParamSpec>, (path) => !path.endsWith("gain"));
  const gains = 4 * (8 + 8);
  expect(rankMemory(frozen, { stage: 1, sumOrder: "free", ranks: 4, slots: 2 })).toEqual({
    weights: ALL,
    gradients: gains,
    accumulated: gains,
    optimizer: (2 * gains) / 4,
    transient: 4 * 8,
  });
  const gathered = rankMemory(frozen, { stage: 3, ranks: 4, slots: 2 });
  expect(gathered).toMatchObject({ weights: ALL / 4, transient: 2 * 4 * 40 + 4 * 8 });
});

test("parameters count by their tensor-parallel shard", () => {
  const shard = { index: 1, count: 2 };
  const { weights } = rankMemory(spec, { stage: 0, ranks: 1, slots: 2, shard });
  expect(weights).toBe(4 * (12 + (16 + 8) + (8 + 8)));
});

test("the peak is at the head or at the end of backward, whichever is higher", () => {
  const memory = { weights: 1000, gradients: 100, accumulated: 60, optimizer: 2000, transient: 7 };
  expect(peakBytes(memory, 50, 1)).toBe(3100); // all gradients, at the end
  expect(peakBytes(memory, 500, 1)).toBe(3507); // activations, at the head of the only microbatch
  expect(peakBytes(memory, 500, 2)).toBe(3567); // the same, and what is kept of previous microbatches
});
