// Folds over axes, with fake process groups.

import "@tensorflow/tfjs-backend-cpu";
import { beforeAll, expect, test } from "@jest/globals";
import { enableProdMode, memory, scalar, setBackend } from "@tensorflow/tfjs-core";
import { claim } from "@tessera/params/placement";
import { singleGroup, type ProcessGroup } from "@tessera/collectives";
import {
  allReduceOver,
  allReduceValues,
  anyRank,
  completeGradients,
  createStopSignal,
  hasFirstReplica,
  isFirstRank,
  lossAxes,
  rankAmong,
  replicatedAxis,
  sampleShard,
  type ParallelAxis,
} from "./index.js";

beforeAll(async () => {
  enableProdMode(); // no advice to install another backend
  await setBackend("cpu");
});

/** A process group whose ranks all have the same values. */
function fakeGroup(rank: number, size: number): ProcessGroup {
  const group = singleGroup();
  return {
    ...group,
    rank,
    size,
    allReduce: (x, op = "sum") => {
      const total = scalar(x.dataSync()[0]! * (op === "sum" ? size : 1));
      return { done: true, wait: () => total };
    },
    allReduceValues: (values, op = "sum") => ({
      done: true,
      wait: () => values.map((value) => value * (op === "sum" ? size : 1)),
    }),
  };
}

const axis = (name: string, batch: ParallelAxis["batch"], rank: number, size: number) => ({
  ...replicatedAxis(name, fakeGroup(rank, size)),
  batch,
});

const axes: ParallelAxis[] = [
  axis("pipeline", "terms", 1, 2),
  axis("data", "samples", 2, 3),
  axis("outer", "samples", 3, 4),
  axis("tensor", "same", 4, 5),
];

test("the first axis is outermost in the order of ranks", () => {
  expect(rankAmong(axes)).toEqual({ index: ((1 * 3 + 2) * 4 + 3) * 5 + 4, count: 120 });
  expect(sampleShard(axes)).toEqual({ index: 2 * 4 + 3, count: 12 });
  expect(isFirstRank(axes)).toBe(false);
  expect(isFirstRank(axes.map(({ name }) => axis(name, "same", 0, 2)))).toBe(true);
});

test("losses are summed over the axes whose ranks have different samples or different terms", () => {
  expect(lossAxes(axes).map(({ name }) => name)).toEqual(["pipeline", "data", "outer"]);
});

test("of the replicas along all axes one is the first", () => {
  expect(hasFirstReplica(axes, "norm.gain")).toBe(false);
  const first = axes.map((axis) => ({ ...axis, replica: () => ({ index: 0, count: 2 }) }));
  expect(hasFirstReplica(first, "norm.gain")).toBe(true);
  expect(hasFirstReplica([], "norm.gain")).toBe(true);
});

test("reductions include every axis, and leak nothing", () => {
  const before = memory().numTensors;
  expect(allReduceValues(axes, Float32Array.of(2))).toEqual(Float32Array.of(240));
  expect(allReduceValues(axes, Float32Array.of(2), "max")).toEqual(Float32Array.of(2));
  expect([true, false].map((here) => anyRank(axes, here))).toEqual([true, false]);
  const x = claim<"partial", "run">(scalar(7));
  expect(allReduceOver([replicatedAxis("data", singleGroup())], x)).toBe(x);
  x.dispose();
  expect(memory().numTensors).toBe(before);
});

test("gradients are completed from the innermost axis outwards", () => {
  const order: string[] = [];
  const recording = axes.map((one) => ({
    ...one,
    completeGradients: (gradients: ReturnType<ParallelAxis["completeGradients"]>) => {
      order.push(one.name);
      return gradients;
    },
  }));
  completeGradients(recording, {});
  expect(order).toEqual(["tensor", "outer", "data", "pipeline"]);
});

test("a stop signal is reduced along each axis of several ranks, and returned one step after the last", () => {
  const single = createStopSignal([axis("data", "samples", 0, 1)]);
  expect([single.poll(false), single.poll(true)]).toEqual([false, true]);
  const two = createStopSignal(axes.slice(0, 2));
  const polls = [false, true, true, true, true, true].map((here) => two.poll(here));
  // The flag is raised after the first round has begun; the second round takes a step per axis.
  expect(polls).toEqual([false, false, false, false, true, false]);
  two.finish();
});
