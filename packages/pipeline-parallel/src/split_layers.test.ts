import { expect, test } from "@jest/globals";
import type { Span } from "@tessera/mesh";
import { splitAsWritten, splitByCost, splitEvenly } from "./index.js";

const counts = (spans: readonly Span[]) => spans.map(({ size }) => size);

test.each([
  [12, 4],
  [10, 4],
  [7, 7],
  [96, 16],
])("%i layers on %i parts: all of them, in order, as many here as there", (layers, parts) => {
  const spans = splitEvenly(layers, parts);
  const ends = spans.map(({ start, size }) => start + size);
  expect(spans.map(({ start }) => start)).toEqual([0, ...ends.slice(0, -1)]);
  expect(ends.at(-1)).toBe(layers);
  expect(Math.max(...counts(spans)) - Math.min(...counts(spans))).toBeLessThanOrEqual(1);
});

/** The cost of the dearest part. */
const dearest = (
  costs: { layers: readonly number[]; source: number; head: number },
  spans: Span[],
) =>
  Math.max(
    ...spans.map(
      ({ start, size }, part) =>
        costs.layers.slice(start, start + size).reduce((a, b) => a + b, 0) +
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
        { start: 0, size: a },
        { start: a, size: b - a },
        { start: b, size: 8 - b },
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
