// Packed documents: several in a row train as if each had its own row.

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
const toTensor = (rows: Rows, dtype: "int32" | "float32") =>
  tensor(rows.flat(), [rows.length, rows[0]!.length], dtype);

const toBatch = (ids: Rows, targets: Rows, weights: Rows): TokenBatch => ({
  ids: toTensor(ids, "int32"),
  targets: { ids: toTensor(targets, "int32"), weights: toTensor(weights, "float32") },
});

/** One row: a document of 3 tokens, then one of 5. */
const packed = () =>
  toBatch([[1, 2, 3, 4, 5, 6, 7, 8]], [[2, 3, 9, 5, 6, 7, 8, 9]], [Array<number>(8).fill(1)]);
const documents = { positions: [[0, 1, 2, 0, 1, 2, 3, 4]], starts: [[0, 0, 0, 3, 3, 3, 3, 3]] };

/** A row per document, padded with masked tokens. */
const padded = () =>
  toBatch(
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

/** Loss and gradients by path. */
function runStep(batch: TokenBatch): Map<string, readonly number[]> {
  const initial = materialize<GptParams>(model.spec, 1);
  // Initial weights are so small that attention hardly matters.
  const params = mapTensors(initial, (leaf) => mul(leaf, 8));
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
  const [a, b] = [runStep(one), runStep(other)];
  const differences = [...a].map(([path, values]) => {
    const largest = Math.max(1e-6, ...values.map(Math.abs));
    return Math.max(...values.map((value, i) => Math.abs(value - b.get(path)![i]!))) / largest;
  });
  return Math.max(...differences);
}

test("packed documents have the loss and gradients of documents in separate rows", () => {
  const positions = toTensor(documents.positions, "int32");
  const starts = toTensor(documents.starts, "int32");
  expect(difference({ ...packed(), positions, starts }, padded())).toBeLessThan(1e-5);
  for (const half of [{}, { positions }, { starts }]) {
    expect(difference({ ...packed(), ...half }, padded())).toBeGreaterThan(1e-3);
  }
});
