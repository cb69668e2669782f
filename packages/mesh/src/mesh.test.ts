import { expect, test } from "@jest/globals";
import {
  coordinates,
  describeMesh,
  evenRange,
  members,
  rankAt,
  UNSHARDED,
  worldSize,
  type Mesh,
} from "./index.js";

const megatron = (pipeline: number, data: number, tensor: number): Mesh => [
  { name: "pipeline", degree: pipeline },
  { name: "data", degree: data },
  { name: "tensor", degree: tensor },
];
const frontier = megatron(64, 6, 8);

test("a world of one rank has the coordinates 0", () => {
  expect(worldSize([])).toBe(1);
  expect(worldSize(megatron(1, 1, 1))).toBe(1);
  expect(coordinates(megatron(1, 1, 1), 0)).toEqual({ pipeline: 0, data: 0, tensor: 0 });
});

test("ranks follow Megatron's order: tensor fastest, then data, then pipeline", () => {
  const mesh = megatron(2, 2, 2);
  expect(members(mesh, 0, "tensor")).toEqual([0, 1]);
  expect(members(mesh, 0, "data")).toEqual([0, 2]);
  expect(members(mesh, 0, "pipeline")).toEqual([0, 4]);
  expect(members(mesh, 7, "pipeline")).toEqual([3, 7]);
  expect(describeMesh(mesh)).toBe("pipeline 2 x data 2 x tensor 2");
});

test("coordinates and ranks are inverses over 3,072 ranks", () => {
  const world = worldSize(frontier);
  expect(world).toBe(3072);
  for (let rank = 0; rank < world; rank += 1) {
    expect(rankAt(frontier, coordinates(frontier, rank))).toBe(rank);
  }
});

test.each(frontier)(
  "the process groups along $name are a partition of 3,072 ranks",
  ({ name, degree }) => {
    const groups = new Map<number, number[]>();
    for (let rank = 0; rank < worldSize(frontier); rank += 1) {
      const group = members(frontier, rank, name);
      expect(group).toHaveLength(degree);
      expect(group).toContain(rank);
      expect(groups.get(group[0]!) ?? group).toEqual(group);
      groups.set(group[0]!, group);
    }
    const all = [...groups.values()].flat();
    expect(all).toHaveLength(3072);
    expect(new Set(all).size).toBe(3072);
  },
);

test("an unknown axis is refused by name", () => {
  expect(() => members(frontier, 0, "context")).toThrow(
    "the mesh has no axis context: it has pipeline, data, tensor",
  );
});

test("shards of an extent are adjacent and cover it", () => {
  const ranges = [0, 1, 2, 3].map((index) => evenRange(12, { index, count: 4 }));
  expect(ranges.map(({ start }) => start)).toEqual([0, 3, 6, 9]);
  expect(evenRange(12, UNSHARDED)).toEqual({ start: 0, size: 12 });
  expect(() => evenRange(10, { index: 0, count: 4 })).toThrow("4 shards do not divide 10 evenly");
});
