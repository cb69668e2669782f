import { expect, test } from "@jest/globals";
import type { Range } from "@tessera/mesh";
import { splitAsWritten, splitByCost, splitEvenly } from "./index.js";

const counts = (spans: readonly Range[]) => spans.map(({ size }) => size);

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
  costs: { layers: readonly number[]; embedding: number; head: number },
  spans: Range[],
) =>
  Math.max(
    ...spans.map(
      ({ start, size }, part) =>
        costs.layers.slice(start, start + size).reduce((a, b) => a + b, 0) +
        (part === 0 ? costs.embedding : 0) +
        (part === spans.length - 1 ? costs.head : 0),
    ),
  );

test("by cost, no other cut has a cheaper dearest part", () => {
  const costs = { layers: [3, 1, 4, 1, 5, 9, 2, 6], embedding: 2, head: 7 };
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
  const costs = { layers: Array<number>(12).fill(1), embedding: 0, head: 2 };
  expect(counts(splitByCost(costs, 4)).sort()).toEqual([2, 3, 3, 4]);
  expect(counts(splitByCost(costs, 4)).at(-1)).toBe(2);
});

test("layers are refused where they cannot fill the parts, or are written otherwise", () => {
  expect(() => splitEvenly(3, 4)).toThrow("3 layers cannot fill 4 parts");
  expect(counts(splitAsWritten([3, 5, 4], 12, 3))).toEqual([3, 5, 4]);
  expect(() => splitAsWritten([3, 5], 12, 3)).toThrow("must be 3 whole numbers");
  expect(() => splitAsWritten([3, 5, 5], 12, 3)).toThrow("add up to 12 layers");
});

/** All ways to cut so many layers into parts, none empty. */
const cuts = (layers: number, parts: number): number[][] =>
  parts === 1
    ? [[layers]]
    : Array.from({ length: layers - parts + 1 }, (_, i) => i + 1).flatMap((first) =>
        cuts(layers - first, parts - 1).map((rest) => [first, ...rest]),
      );

test.each([1, 2, 3, 4, 6])(
  "by cost, %i parts are the cheapest, and of those the most alike",
  (parts) => {
    for (let round = 0; round < 20; round += 1) {
      const cost = (i: number) => (7 * i * i + 3 * round * i + 5 * round) % 11;
      const layers = Array.from({ length: 6 }, (_, i) => cost(i));
      const costs = { layers, embedding: cost(6), head: cost(7) };
      const spread = (spans: Range[]) =>
        spans.reduce((sum, { start, size }, part) => {
          const layers = costs.layers.slice(start, start + size).reduce((a, b) => a + b, 0);
          const embedding = part === 0 ? costs.embedding : 0;
          return sum + (layers + embedding + (part === parts - 1 ? costs.head : 0)) ** 2;
        }, 0);
      const spansOf = (sizes: number[]) =>
        sizes.map((size, i) => ({ start: sizes.slice(0, i).reduce((a, b) => a + b, 0), size }));
      const all = cuts(6, parts).map(spansOf);
      const least = Math.min(...all.map((spans) => dearest(costs, spans)));
      const cheapest = all.filter((spans) => dearest(costs, spans) === least);
      const found = splitByCost(costs, parts);
      expect(all).toContainEqual(found);
      expect(dearest(costs, found)).toBe(least);
      expect(spread(found)).toBe(Math.min(...cheapest.map(spread)));
    }
  },
);

test("as written: every part has whole layers, and each of them", () => {
  expect(splitAsWritten([3, 5, 4], 12, 3)).toEqual([
    { start: 0, size: 3 },
    { start: 3, size: 5 },
    { start: 8, size: 4 },
  ]);
  for (const counts of [
    [12, 0],
    [13, -1],
    [5.5, 6.5],
    [4, 4, 4],
    [6, 5],
  ]) {
    expect(() => splitAsWritten(counts, 12, 2)).toThrow(`a pipeline layout of ${counts.join()}`);
  }
  expect(() => splitByCost({ layers: [1, 1], embedding: 0, head: 0 }, 3)).toThrow(
    "2 layers cannot",
  );
});
