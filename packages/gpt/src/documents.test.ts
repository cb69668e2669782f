// Documents that share a row and are kept apart train as if each had a row of its own.

import { beforeAll, expect, test } from "@jest/globals";
import "@tensorflow/tfjs-backend-cpu";
import {
  enableProdMode,
  memory,
  mul,
  setBackend,
  tensor,
  type Tensor,
} from "@tensorflow/tfjs-core";
import { evalContext } from "@tessera/layers";
import { accumulate, disposeTree, leaves, materialize, mapTensors } from "@tessera/params";
import type { TokenBatch } from "@tessera/model";
import { gpt, gptConfig, type GptParams } from "./index.js";

beforeAll(async () => {
  enableProdMode();
  await setBackend("cpu");
});

const model = gpt(
  gptConfig({ layerCount: 2, hiddenSize: 12, headCount: 3, vocabularySize: 17, maxPositions: 8 }),
);

type Rows = readonly (readonly number[])[];
const of = (rows: Rows, dtype: "int32" | "float32") =>
  tensor(rows.flat(), [rows.length, rows[0]!.length], dtype);

const batchOf = (ids: Rows, targets: Rows, weights: Rows): TokenBatch => ({
  ids: of(ids, "int32"),
  targets: { ids: of(targets, "int32"), weights: of(weights, "float32") },
});

/** In one row: a document of 3 tokens and one of 5. */
const together = () =>
  batchOf([[1, 2, 3, 4, 5, 6, 7, 8]], [[2, 3, 9, 5, 6, 7, 8, 9]], [Array<number>(8).fill(1)]);
const apart = { positions: [[0, 1, 2, 0, 1, 2, 3, 4]], starts: [[0, 0, 0, 3, 3, 3, 3, 3]] };

/** A row for each, filled up with tokens that do not count. */
const alone = () =>
  batchOf(
    [
      [1, 2, 3, 11, 12],
      [4, 5, 6, 7, 8],
    ],
    [
      [2, 3, 9, 0, 0],
      [5, 6, 7, 8, 9],
    ],
    [
      [1, 1, 1, 0, 0],
      [1, 1, 1, 1, 1],
    ],
  );

function trained(batch: TokenBatch): Map<string, readonly number[]> {
  const start = materialize<GptParams>(model.spec, 1);
  // Initial weights are so small that attention hardly matters.
  const params = mapTensors(start, (leaf) => mul(leaf, 8));
  const before = memory().numTensors;
  const { sink, take } = accumulate(params);
  const loss = model.lossAndGradients(params, batch, sink, evalContext);
  const gradients = take();
  const numbers = leaves<Tensor>({ loss, gradients }).map(
    ([path, x]) => [path, [...x.dataSync()]] as const,
  );
  disposeTree({ loss, gradients });
  expect(memory().numTensors).toBe(before);
  return new Map(numbers);
}

/** The largest difference of any loss or gradient, relative to the largest value there. */
function difference(one: TokenBatch, other: TokenBatch): number {
  const [a, b] = [trained(one), trained(other)];
  const apartBy = [...a].map(([path, values]) => {
    const largest = Math.max(1e-6, ...values.map(Math.abs));
    return Math.max(...values.map((value, i) => Math.abs(value - b.get(path)![i]!))) / largest;
  });
  return Math.max(...apartBy);
}

test("documents kept apart in a row give the loss and gradients of rows of their own", () => {
  const positions = of(apart.positions, "int32");
  const starts = of(apart.starts, "int32");
  expect(difference({ ...together(), positions, starts }, alone())).toBeLessThan(1e-5);
  for (const half of [{}, { positions }, { starts }]) {
    expect(difference({ ...together(), ...half }, alone())).toBeGreaterThan(1e-3);
  }
});
