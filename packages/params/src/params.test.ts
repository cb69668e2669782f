// Trees, and what specs make of them on a rank.

import { beforeAll, describe, expect, test } from "@jest/globals";
import "@tensorflow/tfjs-backend-cpu";
import {
  add,
  concat,
  enableProdMode,
  memory,
  scalar,
  setBackend,
  type Tensor,
} from "@tensorflow/tfjs-core";
import { UNSHARDED, type ShardIndex } from "@tessera/mesh";
import {
  accumulate,
  clipRange,
  createSink,
  disposeTree,
  filterTree,
  leafAt,
  leaves,
  mapTree,
  materialize,
  matrix,
  mergeTrees,
  resolveGradient,
  shardLayout,
  shardSlice,
  splitRange,
  vector,
  vocabularyPartition,
  type Gradient,
  type ParamSpec,
} from "./index.js";
import { divertSink, freezeSpec, frozenIn, isDiscarded } from "./frozen.js";

beforeAll(async () => {
  enableProdMode(); // no advice to install another backend
  await setBackend("cpu");
});

describe("a tree", () => {
  const specs = {
    mlp: { up: vector([2], null, 1), down: vector([3], null, 0) },
    norm: vector([1], null, 1),
  };

  test("has leaves by path, and only those", () => {
    expect(leaves<ParamSpec>(specs).map(([path]) => path)).toEqual(["mlp.up", "mlp.down", "norm"]);
    expect(leafAt<ParamSpec>(specs, "mlp.down")).toBe(specs.mlp.down);
    for (const path of ["mlp", "mlp.gate", "norm.gain", "mlp.constructor"]) {
      expect(leafAt<ParamSpec>(specs, path)).toBeUndefined();
    }
  });

  test("keeps its shape under a map, and loses what a filter drops", () => {
    const sizes = mapTree(specs, ({ shape }: ParamSpec) => shape[0]!);
    expect(sizes).toEqual({ mlp: { up: 2, down: 3 }, norm: 1 });
    const some = filterTree<ParamSpec>(specs, (path) => path !== "mlp.up");
    expect(leaves<ParamSpec>(some).map(([path]) => path)).toEqual(["mlp.down", "norm"]);
  });

  test("merges with another: what either has, the second's leaf where both have one", () => {
    const merged = mergeTrees<object>({ a: { x: 1, y: 2 }, b: 3 }, { a: { y: 4, z: 5 } });
    expect(merged).toEqual({ a: { x: 1, y: 4, z: 5 }, b: 3 });
  });
});

test("initial weights are a function of seed, name and global index", () => {
  const spec = (dim: number | null): ParamSpec => ({
    shape: [8, 6],
    partition: dim === null ? null : { dim, units: 2, unitName: "halves", rule: "even" },
    init: { kind: "normal", std: 1 },
    decay: true,
  });
  const make = (seed: number, dim: number | null = null, shard: ShardIndex = UNSHARDED) =>
    materialize<{ a: Tensor; b: Tensor }>({ a: spec(dim), b: spec(dim) }, seed, shard);
  const full = make(1);
  expect(full.a.dataSync()).not.toEqual(full.b.dataSync());
  expect(make(2).a.dataSync()).not.toEqual(full.a.dataSync());
  for (const dim of [0, 1]) {
    const shards = [0, 1].map((index) => make(1, dim, { index, count: 2 }).a);
    expect(concat(shards, dim).dataSync()).toEqual(full.a.dataSync());
  }
});

test("a partition that does not divide is refused by name", () => {
  const columns = { dim: 1, units: 6, unitName: "columns", rule: "even" } as const;
  expect(() => shardSlice(matrix([4, 6], columns, 1), { index: 0, count: 4 }, "up.weight")).toThrow(
    "up.weight: 6 columns cannot be sharded over 4 tensor-parallel ranks; use a degree that divides 6",
  );
});

test("ranges of a layout are clipped to chunks and split over replicas without loss", () => {
  const spec = matrix([11, 2], vocabularyPartition(11), 1);
  const layouts = [0, 1, 2, 3].map((index) => shardLayout(spec, { index, count: 4 }, "table"));
  // The last rank holds what is left.
  expect(layouts.map(({ shape }) => shape[0])).toEqual([3, 3, 3, 2]);
  const [range] = layouts[1]!.ranges;
  const chunks = [0, 1].flatMap((chunk) => clipRange(range!, chunk, 4));
  expect(
    chunks.map(({ size, sliceOffset, tensorOffset }) => [size, sliceOffset, tensorOffset]),
  ).toEqual([
    [4, 0, 0],
    [2, 4, 0],
  ]);
  expect(clipRange(range!, 2, 4)).toEqual([]);
  const replicas = [0, 1, 2, 3].flatMap((index) => splitRange(range!, { index, count: 4 }));
  expect(replicas.map(({ size }) => size)).toEqual([1, 2, 1, 2]);
  expect(replicas.map(({ sliceOffset }) => sliceOffset)).toEqual([0, 1, 3, 4]);
});

test("sums of gradients are taken once, zeros where none came, and nothing leaks", () => {
  const before = memory().numTensors;
  const params = { a: scalar(1), b: scalar(2) };
  const { sink, take } = accumulate(params);
  sink.a(scalar(3));
  sink.a({
    compute: () => scalar(0),
    accumulateInto: (sum) => {
      const total = add<Tensor>(sum, 4);
      sum.dispose();
      return total;
    },
    discard: () => undefined,
  });
  const first = take();
  const second = take();
  const values = (tree: typeof params) => [tree.a, tree.b].map((x) => x.dataSync()[0]);
  expect([values(first), values(second)]).toEqual([
    [7, 0],
    [0, 0],
  ]);
  for (const tree of [params, first, second]) disposeTree(tree);
  expect(memory().numTensors).toBe(before);
});

test("uniform initial values are within their bound, and a function of the path and the index alone", () => {
  const spec = {
    shape: [6, 4],
    partition: null,
    init: { kind: "uniform", bound: 0.5 },
    decay: true,
  } as const;
  const rows: ParamSpec = {
    ...spec,
    partition: { dim: 0, units: 6, unitName: "rows", rule: "even" },
  };
  const { a } = materialize<{ a: Tensor }>({ a: spec }, 3);
  const values = [...a.dataSync()];
  expect(values.every((value) => Math.abs(value) <= 0.5)).toBe(true);
  expect(Math.max(...values) - Math.min(...values)).toBeGreaterThan(0.6);
  const shards = [0, 1, 2].map((index) => materialize({ a: rows }, 3, { index, count: 3 }));
  expect(shards.flatMap((shard) => [...(shard as { a: Tensor }).a.dataSync()])).toEqual(values);
  for (const tree of [{ a }, ...shards]) disposeTree(tree);
});

type Pair = { readonly a: Tensor; readonly b: Tensor };

test("gradients of frozen parameters are freed, and deferred ones are not computed", () => {
  const before = memory().numTensors;
  const spec = freezeSpec<Pair>(
    { a: vector([], null, 1), b: vector([], null, 1) },
    (path) => path === "a",
  );
  const isFrozen = frozenIn(spec);
  expect([isFrozen("a"), isFrozen("b")]).toEqual([true, false]);
  const params = materialize<Pair>(spec, 1);
  const received: string[] = [];
  const receive = (path: string, gradient: Gradient): void => {
    received.push(path);
    resolveGradient(gradient).dispose();
  };
  const sink = divertSink<Pair>(createSink(params, receive, isFrozen), receive);
  expect([isDiscarded(sink.a), isDiscarded(sink.b)]).toEqual([true, false]);
  const refuse = (): never => {
    throw new Error("is computed");
  };
  let discarded = 0;
  sink.a(scalar(1));
  sink.a({ compute: refuse, accumulateInto: refuse, discard: () => (discarded += 1) });
  sink.b(scalar(1));
  expect({ received, discarded }).toEqual({ received: ["b"], discarded: 1 });
  disposeTree(params);
  expect(memory().numTensors).toBe(before);
});
