// Folds over axes, on ranks that talk to nobody.

import "@tensorflow/tfjs-backend-cpu";
import { beforeAll, expect, test } from "@jest/globals";
import { enableProdMode, memory, scalar, setBackend } from "@tensorflow/tfjs-core";
import { singleGroup, type ProcessGroup } from "@tessera/collectives";
import {
  allReduceOver,
  allReduceScalar,
  anyRank,
  completeGradients,
  createStopSignal,
  isFirstRank,
  lossAxes,
  rankAmong,
  replicaCount,
  replicatedAxis,
  sampleShard,
  type ParallelAxis,
} from "./index.js";

beforeAll(async () => {
  enableProdMode(); // no advice to install another backend
  await setBackend("cpu");
});

/** Rank `rank` of `size`, in a group whose ranks all have the same values. */
function alike(rank: number, size: number): ProcessGroup {
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
  ...replicatedAxis(name, alike(rank, size)),
  batch,
});

const axes: ParallelAxis[] = [
  axis("pipeline", "terms", 1, 2),
  axis("data", "samples", 2, 3),
  axis("outer", "samples", 3, 4),
  axis("tensor", "same", 4, 5),
];

test("ranks among axes count the first axis outermost", () => {
  expect(rankAmong(axes)).toEqual({ index: ((1 * 3 + 2) * 4 + 3) * 5 + 4, count: 120 });
  expect(sampleShard(axes)).toEqual({ index: 2 * 4 + 3, count: 12 });
  expect(isFirstRank(axes)).toBe(false);
  expect(isFirstRank(axes.map(({ name }) => axis(name, "same", 0, 2)))).toBe(true);
});

test("losses are summed over the axes whose ranks see other samples or other terms", () => {
  expect(lossAxes(axes).map(({ name }) => name)).toEqual(["pipeline", "data", "outer"]);
});

test("a parameter's replicas are those along each axis, multiplied", () => {
  expect(replicaCount(axes, "norm.gain")).toBe(120);
  expect(replicaCount([], "norm.gain")).toBe(1);
});

test("reductions go over every axis, and leave nothing behind", () => {
  const before = memory().numTensors;
  expect(allReduceScalar(axes, 2)).toBe(240);
  expect(allReduceScalar(axes, 2, "max")).toBe(2);
  expect([true, false].map((here) => anyRank(axes, here))).toEqual([true, false]);
  const alone = scalar(7);
  expect(allReduceOver([replicatedAxis("data", singleGroup())], alone)).toBe(alone);
  alone.dispose();
  expect(memory().numTensors).toBe(before);
});

test("gradients are completed from the innermost axis outwards", () => {
  const order: string[] = [];
  const noting = axes.map((one) => ({
    ...one,
    completeGradients: (gradients: ReturnType<ParallelAxis["completeGradients"]>) => {
      order.push(one.name);
      return gradients;
    },
  }));
  completeGradients(noting, {});
  expect(order).toEqual(["tensor", "outer", "data", "pipeline"]);
});

test("a stop signal goes along each axis of several ranks, and is seen a step after the last", () => {
  const alone = createStopSignal([axis("data", "samples", 0, 1)]);
  expect([alone.poll(false), alone.poll(true)]).toEqual([false, true]);
  const two = createStopSignal(axes.slice(0, 2));
  const polls = [false, true, true, true, true, true].map((here) => two.poll(here));
  // The round that began before the flag was raised says no; the next one takes two axes.
  expect(polls).toEqual([false, false, false, false, true, false]);
  two.finish();
});
