import { describe, expect, test } from "@jest/globals";
import { matrix, vector, vocabularyPartition, type ParamSpec, type TreeOf } from "@tessera/params";
import { planBuckets } from "./index.js";

const spec: TreeOf<ParamSpec> = {
  embedding: matrix([50, 8], vocabularyPartition(50), 1),
  block: {
    gain: vector([8], null, 1),
    weight: matrix([8, 5], null, 1),
    bias: vector([5], null, 0),
  },
  norm: vector([8], null, 1),
};

const planPaths = (bytes: number, ranks = 1) =>
  planBuckets(spec, { ranks, bytes }).map(({ slots }) => slots.map(({ path }) => path));

test("parameters of different optimizer groups share no bucket", () => {
  const groupOf = (path: string) => (path.startsWith("block") ? 0 : 1);
  const buckets = planBuckets(spec, { ranks: 1, bytes: 400, groupOf });
  expect(buckets.map(({ slots }) => slots.map(({ path }) => path))).toEqual([
    ["embedding"],
    ["norm"],
    ["block.bias", "block.gain"],
    ["block.weight"],
  ]);
});

describe("buckets", () => {
  test("contain every parameter once, last layers first", () => {
    expect(planPaths(0)).toEqual([
      ["norm"],
      ["block.bias"],
      ["block.weight"],
      ["block.gain"],
      ["embedding"],
    ]);
  });

  test("combine small parameters with the same weight decay, up to the bucket size", () => {
    expect(planPaths(400)).toEqual([
      ["embedding"],
      ["norm", "block.bias", "block.gain"],
      ["block.weight"],
    ]);
    expect(planPaths(48)).toEqual([
      ["norm", "block.bias"],
      ["block.weight"],
      ["embedding"],
      ["block.gain"],
    ]);
  });

  test("are closed at exactly the bucket size; a parameter of that size has its own", () => {
    expect(planPaths(4 * 13)).toEqual([
      ["norm", "block.bias"],
      ["block.weight"],
      ["embedding"],
      ["block.gain"],
    ]);
    const twoSizes = { large: matrix([8, 5], null, 1), small: matrix([2, 2], null, 1) };
    const plan = (bytes: number) =>
      planBuckets(twoSizes, { ranks: 1, bytes }).map(({ slots }) => slots.map(({ path }) => path));
    expect(plan(160)).toEqual([["large"], ["small"]]);
    expect(plan(161)).toEqual([["small", "large"]]);
  });

  test.each([1, 2, 3, 8])(
    "divide evenly over %s ranks, and their slots do not overlap",
    (ranks) => {
      for (const { slots, size } of planBuckets(spec, { ranks, bytes: 100 })) {
        expect(size % ranks).toBe(0);
        let end = 0;
        for (const { offset, size: slotSize } of slots) {
          expect(offset).toBe(end);
          end = offset + slotSize;
        }
        expect(size - end).toBeLessThan(ranks);
      }
    },
  );
});
