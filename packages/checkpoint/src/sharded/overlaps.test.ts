import { expect, test } from "@jest/globals";
import { contiguousRuns } from "@tessera/random";
import { overlaps, type SliceRange } from "./overlaps.js";

/** A stretch that a few numbers choose, the same for the same numbers. */
function drawnFrom(draw: () => number, whole: readonly number[]): SliceRange {
  const start = whole.map((extent) => Math.floor(draw() * extent));
  const size = whole.map((extent, dim) => 1 + Math.floor(draw() * (extent - start[dim]!)));
  const elements = size.reduce((a, b) => a * b, 1);
  const first = Math.floor(draw() * elements);
  return {
    slice: { shape: whole, start, size },
    sliceOffset: first,
    size: 1 + Math.floor(draw() * (elements - first)),
  };
}

function drawer(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

/** The place of each element of a stretch in the whole, in order. */
const placesOf = ({ slice, sliceOffset, size }: SliceRange): number[] =>
  [...contiguousRuns(slice, sliceOffset, sliceOffset + size)].flatMap((run) =>
    Array.from({ length: run.length }, (_, i) => run.offset + i),
  );

test("overlaps have all elements that two ranges have in common, each once, and are as few as possible", () => {
  const draw = drawer(5);
  for (let round = 0; round < 3000; round += 1) {
    const whole = [[24], [5, 7], [3, 4, 5]][round % 3]!;
    const [source, target] = [drawnFrom(draw, whole), drawnFrom(draw, whole)];
    const places = placesOf(target);
    const expected = placesOf(source)
      .map((place, from) => [from, places.indexOf(place)])
      .filter(([, to]) => to !== -1);
    const found = [...overlaps(source, target)];
    const pairs = found.flatMap(({ from, to, length }) =>
      Array.from({ length }, (_, i) => [from + i, to + i]),
    );
    expect(pairs).toEqual(expected);
    const breaks = expected.filter(
      ([from, to], i) =>
        i > 0 && (from !== expected[i - 1]![0]! + 1 || to !== expected[i - 1]![1]! + 1),
    );
    expect(found).toHaveLength(expected.length === 0 ? 0 : breaks.length + 1);
  }
});
