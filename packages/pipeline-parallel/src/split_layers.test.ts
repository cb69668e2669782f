import { expect, test } from "@jest/globals";
import type { Range } from "@tessera/mesh";
import { splitAsWritten, splitByCost, splitEvenly } from "./index.js";

const countLayers = (ranges: readonly Range[]) => ranges.map(({ size }) => size);

test.each([
  [12, 4],
  [10, 4],
  [7, 7],
  [96, 16],
])("%i layers on %i chunks: all of them, in order, evenly", (layers, chunks) => {
  const ranges = splitEvenly(layers, chunks);
  const ends = ranges.map(({ start, size }) => start + size);
  expect(ranges.map(({ start }) => start)).toEqual([0, ...ends.slice(0, -1)]);
  expect(ends.at(-1)).toBe(layers);
  expect(Math.max(...countLayers(ranges)) - Math.min(...countLayers(ranges))).toBeLessThanOrEqual(
    1,
  );
});

/** The largest cost of a chunk. */
const largestCost = (
  costs: { layers: readonly number[]; embedding: number; head: number },
  ranges: Range[],
) =>
  Math.max(
    ...ranges.map(
      ({ start, size }, chunk) =>
        costs.layers.slice(start, start + size).reduce((a, b) => a + b, 0) +
        (chunk === 0 ? costs.embedding : 0) +
        (chunk === ranges.length - 1 ? costs.head : 0),
    ),
  );

test("by cost, no other split has a smaller largest cost", () => {
  const costs = { layers: [3, 1, 4, 1, 5, 9, 2, 6], embedding: 2, head: 7 };
  const found = largestCost(costs, splitByCost(costs, 3));
  for (let a = 1; a < 7; a += 1) {
    for (let b = a + 1; b < 8; b += 1) {
      const other = [
        { start: 0, size: a },
        { start: a, size: b - a },
        { start: b, size: 8 - b },
      ];
      expect(found).toBeLessThanOrEqual(largestCost(costs, other));
    }
  }
});

test("a costly head leaves fewer layers to the last chunk", () => {
  const costs = { layers: Array<number>(12).fill(1), embedding: 0, head: 2 };
  expect(countLayers(splitByCost(costs, 4)).sort()).toEqual([2, 3, 3, 4]);
  expect(countLayers(splitByCost(costs, 4)).at(-1)).toBe(2);
});

test("fewer layers than chunks, and counts that do not add up, are refused", () => {
  expect(() => splitEvenly(3, 4)).toThrow("3 layers cannot fill 4 chunks");
  expect(countLayers(splitAsWritten([3, 5, 4], 12, 3))).toEqual([3, 5, 4]);
  expect(() => splitAsWritten([3, 5], 12, 3)).toThrow("must be 3 whole numbers");
  expect(() => splitAsWritten([3, 5, 5], 12, 3)).toThrow("add up to 12 layers");
});

/** All splits of layers into chunks that are not empty. */
const listSplits = (layers: number, chunks: number): number[][] =>
  chunks === 1
    ? [[layers]]
    : Array.from({ length: layers - chunks + 1 }, (_, i) => i + 1).flatMap((first) =>
        listSplits(layers - first, chunks - 1).map((rest) => [first, ...rest]),
      );

test.each([1, 2, 3, 4, 6])(
  "by cost, %i chunks have the smallest largest cost, then the least squares",
  (chunks) => {
    for (let round = 0; round < 20; round += 1) {
      const cost = (i: number) => (7 * i * i + 3 * round * i + 5 * round) % 11;
      const layers = Array.from({ length: 6 }, (_, i) => cost(i));
      const costs = { layers, embedding: cost(6), head: cost(7) };
      const sumOfSquares = (ranges: Range[]) =>
        ranges.reduce((sum, { start, size }, chunk) => {
          const layers = costs.layers.slice(start, start + size).reduce((a, b) => a + b, 0);
          const embedding = chunk === 0 ? costs.embedding : 0;
          return sum + (layers + embedding + (chunk === chunks - 1 ? costs.head : 0)) ** 2;
        }, 0);
      const toRanges = (sizes: number[]) =>
        sizes.map((size, i) => ({ start: sizes.slice(0, i).reduce((a, b) => a + b, 0), size }));
      const all = listSplits(6, chunks).map(toRanges);
      const least = Math.min(...all.map((ranges) => largestCost(costs, ranges)));
      const cheapest = all.filter((ranges) => largestCost(costs, ranges) === least);
      const found = splitByCost(costs, chunks);
      expect(all).toContainEqual(found);
      expect(largestCost(costs, found)).toBe(least);
      expect(sumOfSquares(found)).toBe(Math.min(...cheapest.map(sumOfSquares)));
    }
  },
);

test("as written: one positive integer for each chunk, which add up", () => {
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
