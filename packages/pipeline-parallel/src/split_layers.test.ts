import { expect, test } from "@jest/globals";
import { splitAsWritten, splitByCost, splitEvenly, type LayerSpan } from "./index.js";

const counts = (spans: readonly LayerSpan[]) => spans.map(({ first, end }) => end - first);

test.each([
  [12, 4],
  [10, 4],
  [7, 7],
  [96, 16],
])("%i layers on %i parts: all of them, in order, as many here as there", (layers, parts) => {
  const spans = splitEvenly(layers, parts);
  expect(spans.map(({ first }) => first)).toEqual([0, ...spans.slice(0, -1).map(({ end }) => end)]);
  expect(spans.at(-1)!.end).toBe(layers);
  expect(Math.max(...counts(spans)) - Math.min(...counts(spans))).toBeLessThanOrEqual(1);
});

/** The cost of the dearest part. */
const dearest = (
  costs: { layers: readonly number[]; source: number; head: number },
  spans: LayerSpan[],
) =>
  Math.max(
    ...spans.map(
      ({ first, end }, part) =>
        costs.layers.slice(first, end).reduce((a, b) => a + b, 0) +
        (part === 0 ? costs.source : 0) +
        (part === spans.length - 1 ? costs.head : 0),
    ),
  );

test("by cost, no other cut has a cheaper dearest part", () => {
  const costs = { layers: [3, 1, 4, 1, 5, 9, 2, 6], source: 2, head: 7 };
  const found = dearest(costs, splitByCost(costs, 3));
  for (let a = 1; a < 7; a += 1) {
    for (let b = a + 1; b < 8; b += 1) {
      const cut = [
        { first: 0, end: a },
        { first: a, end: b },
        { first: b, end: 8 },
      ];
      expect(found).toBeLessThanOrEqual(dearest(costs, cut));
    }
  }
});

test("a dear head leaves fewer layers to the last part", () => {
  const costs = { layers: Array<number>(12).fill(1), source: 0, head: 2 };
  expect(counts(splitByCost(costs, 4)).sort()).toEqual([2, 3, 3, 4]);
  expect(counts(splitByCost(costs, 4)).at(-1)).toBe(2);
});

test("layers are refused where they cannot fill the parts, or are written otherwise", () => {
  expect(() => splitEvenly(3, 4)).toThrow("3 layers cannot fill 4 parts");
  expect(counts(splitAsWritten([3, 5, 4], 12, 3))).toEqual([3, 5, 4]);
  expect(() => splitAsWritten([3, 5], 12, 3)).toThrow("must be 3 whole numbers");
  expect(() => splitAsWritten([3, 5, 5], 12, 3)).toThrow("add up to 12 layers");
});
