import { describe, expect, test } from "@jest/globals";
import {
  fillNormal,
  fillUniform,
  permutation,
  philox,
  contiguousRuns,
  streamKey,
  uniformAt,
  fullSlice,
  type Key,
} from "./index.js";

const words = (key: Key, counter: number[]): string[] => {
  const out = new Uint32Array(4);
  philox(key, Uint32Array.from(counter), out);
  return [...out].map((word) => word.toString(16).padStart(8, "0"));
};

describe("philox4x32-10 gives the numbers of its authors' known-answer file", () => {
  const all = 0xffffffff;
  test.each<[string, Key, number[], string]>([
    ["zeros", [0, 0], [0, 0, 0, 0], "6627e8d5 e169c58d bc57ac4c 9b00dbd8"],
    ["ones", [all, all], [all, all, all, all], "408f276d 41c83b0e a20bc7c6 6d5451fd"],
    [
      "digits of pi",
      [0xa4093822, 0x299f31d0],
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      "d16cfe09 94fdcceb 5001e420 24126ea1",
    ],
  ])("%s", (_name, key, counter, expected) => {
    expect(words(key, counter).join(" ")).toBe(expected);
  });
});

test("streams of other seeds and names are other streams", () => {
  const keys = [0, 1, 2 ** 32, 2 ** 40].flatMap((seed) =>
    ["a", "b", "blocks.0", "blocks.1"].map((name) => streamKey(seed, name).join()),
  );
  expect(new Set(keys).size).toBe(16);
});

test("any part of a stream equals that part of the whole", () => {
  const key = streamKey(7, "part");
  for (const fill of [fillNormal, fillUniform]) {
    const whole = new Float32Array(100);
    fill(whole, key, 0);
    for (const [first, size] of [
      [0, 1],
      [3, 9],
      [17, 50],
      [99, 1],
    ] as const) {
      const part = new Float32Array(size);
      fill(part, key, first);
      expect(part).toEqual(whole.slice(first, first + size));
    }
  }
});

test("elements beyond 2^34 do not repeat the first ones", () => {
  const key = streamKey(7, "far");
  expect(uniformAt(key, 2 ** 34)).not.toBe(uniformAt(key, 0));
});

test("normals have mean 0, variance 1 and the right tails; uniforms fill (0, 1) evenly", () => {
  const size = 200_000;
  const normal = new Float32Array(size);
  const uniform = new Float32Array(size);
  fillNormal(normal, streamKey(1, "normal"), 0);
  fillUniform(uniform, streamKey(1, "uniform"), 0);
  const mean = (xs: Float32Array, f: (x: number) => number) =>
    xs.reduce((sum, x) => sum + f(x), 0) / size;
  expect(Math.abs(mean(normal, (x) => x))).toBeLessThan(0.01);
  expect(Math.abs(mean(normal, (x) => x * x) - 1)).toBeLessThan(0.02);
  expect(Math.abs(mean(normal, (x) => (Math.abs(x) > 2 ? 1 : 0)) - 0.0455)).toBeLessThan(0.003);
  expect(Math.abs(mean(uniform, (x) => x) - 0.5)).toBeLessThan(0.005);
  expect(Math.abs(mean(uniform, (x) => (x < 0.1 ? 1 : 0)) - 0.1)).toBeLessThan(0.005);
});

test("a permutation holds every number once, and depends on its key", () => {
  const order = permutation(10_000, streamKey(3, "order"));
  expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 10_000 }, (_, i) => i));
  expect(permutation(10_000, streamKey(3, "order"))).toEqual(order);
  expect(permutation(10_000, streamKey(4, "order"))).not.toEqual(order);
});

test("the runs of a window are its elements, in order", () => {
  const whole = [3, 4, 5];
  const windows = [
    fullSlice(whole),
    { shape: whole, start: [1, 0, 0], size: [2, 4, 5] },
    { shape: whole, start: [0, 1, 0], size: [3, 2, 5] },
    { shape: whole, start: [2, 1, 3], size: [1, 2, 2] },
    { shape: [], start: [], size: [] },
  ];
  for (const slice of windows) {
    const expected: number[] = [];
    const visit = (dim: number, index: number) => {
      if (dim === slice.shape.length) expected.push(index);
      else
        for (let i = 0; i < slice.size[dim]!; i += 1)
          visit(dim + 1, index * slice.shape[dim]! + slice.start[dim]! + i);
    };
    visit(0, 0);
    const actual = [...contiguousRuns(slice)].flatMap(({ offset, length }) =>
      Array.from({ length }, (_, i) => offset + i),
    );
    expect(actual).toEqual(expected);
    for (let from = 0; from <= expected.length; from += 1) {
      const some = [...contiguousRuns(slice, from, from + 7)];
      const elements = some.flatMap(({ offset, length }) =>
        Array.from({ length }, (_, i) => offset + i),
      );
      expect(elements).toEqual(expected.slice(from, from + 7));
      expect(some[0]?.sliceOffset ?? from).toBe(from);
    }
  }
  expect([...contiguousRuns(fullSlice(whole))]).toHaveLength(1);
});
