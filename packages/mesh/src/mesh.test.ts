import { expect, test } from "@jest/globals";
import {
  AXES,
  coordinates,
  members,
  rankAt,
  single,
  evenRange,
  UNSHARDED,
  worldSize,
} from "./index.js";

const frontier = { pipeline: 64, data: 6, tensor: 8 };

test("one process stands at the origin of every axis", () => {
  expect(worldSize(single)).toBe(1);
  expect(coordinates(single, 0)).toEqual({ pipeline: 0, data: 0, tensor: 0 });
});

test("ranks follow Megatron's order: tensor fastest, then data, then pipeline", () => {
  const degrees = { pipeline: 2, data: 2, tensor: 2 };
  expect(members(degrees, 0, "tensor")).toEqual([0, 1]);
  expect(members(degrees, 0, "data")).toEqual([0, 2]);
  expect(members(degrees, 0, "pipeline")).toEqual([0, 4]);
  expect(members(degrees, 7, "pipeline")).toEqual([3, 7]);
});

test("coordinates and ranks are inverses over 3,072 ranks", () => {
  const world = worldSize(frontier);
  expect(world).toBe(3072);
  for (let rank = 0; rank < world; rank += 1) {
    expect(rankAt(frontier, coordinates(frontier, rank))).toBe(rank);
  }
});

test.each(AXES)("the groups along %s cut 3,072 ranks into equal sets without overlap", (axis) => {
  const groups = new Map<number, number[]>();
  for (let rank = 0; rank < worldSize(frontier); rank += 1) {
    const group = members(frontier, rank, axis);
    expect(group).toHaveLength(frontier[axis]);
    expect(group).toContain(rank);
    expect(groups.get(group[0]!) ?? group).toEqual(group);
    groups.set(group[0]!, group);
  }
  const all = [...groups.values()].flat();
  expect(all).toHaveLength(3072);
  expect(new Set(all).size).toBe(3072);
});

test("parts of an extent are adjacent and cover it", () => {
  const spans = [0, 1, 2, 3].map((index) => evenRange(12, { index, count: 4 }));
  expect(spans.map(({ start }) => start)).toEqual([0, 3, 6, 9]);
  expect(evenRange(12, UNSHARDED)).toEqual({ start: 0, size: 12 });
  expect(() => evenRange(10, { index: 0, count: 4 })).toThrow("10 cannot be shared evenly by 4");
});
