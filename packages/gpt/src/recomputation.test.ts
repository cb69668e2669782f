// Recomputation changes what is saved, and neither loss nor gradients, bit for bit.

import { beforeAll, expect, test } from "@jest/globals";
import "@tensorflow/tfjs-backend-cpu";
import {
  enableProdMode,
  fill,
  memory,
  setBackend,
  tensor,
  type Tensor,
} from "@tensorflow/tfjs-core";
import { evalContext, type ForwardContext } from "@tessera/layers";
import type { Recomputation } from "@tessera/model";
import { accumulate, disposeTree, leaves, materialize } from "@tessera/params";
import { gpt, gptConfig, savedActivationBytes, uniformDropout, type GptParams } from "./index.js";

const LAYERS = 4;
const [ROWS, TIME] = [2, 8];
const config = gptConfig({
  layerCount: LAYERS,
  hiddenSize: 16,
  headCount: 2,
  vocabularySize: 32,
  maxPositions: TIME,
  dropout: uniformDropout(0.3),
});
const ctx: ForwardContext = {
  ...evalContext,
  training: true,
  seed: 3,
  step: 5,
  rows: 8,
  firstRow: 2,
};

const methods: readonly Recomputation[] = [
  "attention",
  { kind: "uniform", layers: 1 },
  { kind: "uniform", layers: 3 }, // groups of three and of one
  { kind: "block", layers: 2 },
  { kind: "block", layers: 9 }, // more than there are
];

beforeAll(async () => {
  enableProdMode();
  await setBackend("cpu");
});

const ids = (first: number): Tensor =>
  tensor(
    Int32Array.from({ length: ROWS * TIME }, (_, i) => (first + i * i) % 32),
    [ROWS, TIME],
    "int32",
  );

/** One step: loss, gradients by path, and the number of elements saved between forward and backward. */
function runStep(recompute?: Recomputation) {
  const model = gpt(config, recompute === undefined ? {} : { recompute });
  const params = materialize<GptParams>(model.spec, 7);
  const chunk = model.chunks[0]!;
  const targets = { ids: ids(3), weights: fill([ROWS, TIME], 1 / (ROWS * TIME)) };
  const { sink, take } = accumulate(params);
  const x = ids(1);
  const before = memory().numTensors;
  const [y, saved] = chunk.forward(params, x, ctx);
  // Several leaves may be views of the same numbers.
  const sizes = new Map(leaves<Tensor>(saved).map(([, x]) => [x.dataId, x.size]));
  const savedSize = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  const { loss, dx } = chunk.head!.lossAndGradient(params, y, targets, sink);
  chunk.backward(params, saved, dx, sink, ctx);
  disposeTree({ y, dx });
  const gradients = take();
  const values = leaves<Tensor>(gradients).map(([path, leaf]) => [path, [...leaf.dataSync()]]);
  const result = { loss: loss.dataSync()[0], gradients: values };
  disposeTree(gradients);
  loss.dispose();
  expect(memory().numTensors).toBe(before);
  return { result, savedSize };
}

test.each(methods)("%j: same loss, same gradients, less saved", (method) => {
  const plain = runStep();
  const recomputed = runStep(method);
  expect(recomputed.result).toEqual(plain.result);
  expect(recomputed.savedSize).toBeLessThan(plain.savedSize);
});

test("the formula counts the inputs of recomputed groups", () => {
  const microbatch = { rows: ROWS, time: TIME, bytes: 4 } as const;
  /** Bytes saved outside of the blocks. */
  const otherBytes = (recompute?: Recomputation): number => {
    const options = recompute === undefined ? {} : { recompute };
    const bytes = 4 * runStep(recompute).savedSize;
    return bytes - savedActivationBytes(config, microbatch, options, LAYERS);
  };
  const expected = otherBytes();
  for (const method of methods.filter((one) => one !== "attention")) {
    expect(otherBytes(method)).toBe(expected);
  }
});

test("a recomputed group saves its input alone", () => {
  const inputSize = ROWS * TIME * config.hiddenSize;
  const savedBy = (layers: number): number => runStep({ kind: "uniform", layers }).savedSize;
  const otherSize = savedBy(LAYERS) - inputSize;
  expect(savedBy(1) - otherSize).toBe(LAYERS * inputSize);
  expect(savedBy(2) - otherSize).toBe((LAYERS / 2) * inputSize);
});
