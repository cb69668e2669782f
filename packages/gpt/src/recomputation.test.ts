// Recomputation changes what is kept, and nothing else, to the bit.

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
import { accumulate, disposeTree, leaves, materialize } from "@tessera/params";
import { uniformDropout, gpt, gptConfig, savedActivationBytes, type GptParams } from "./index.js";
import type { Recomputation } from "@tessera/model";

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

const kinds: readonly Recomputation[] = [
  "attention",
  { kind: "uniform", layers: 1 },
  { kind: "uniform", layers: 3 }, // units of three and of one
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

/** Of a step with what is recomputed: loss, gradients by path, bytes kept between forward and backward. */
function stepWith(recompute?: Recomputation) {
  const model = gpt(config, recompute === undefined ? {} : { recompute });
  const params = materialize<GptParams>(model.spec, 7);
  const [part] = model.chunks;
  const targets = { ids: ids(3), weights: fill([ROWS, TIME], 1 / (ROWS * TIME)) };
  const { sink, take } = accumulate(params);
  const x = ids(1);
  const before = memory().numTensors;
  const [y, saved] = part!.forward(params, x, ctx);
  // Several leaves may be views of the same numbers.
  const sizes = new Map(leaves<Tensor>(saved).map(([, x]) => [x.dataId, x.size]));
  const kept = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  const { loss, dx } = part!.head!.lossAndGradient(params, y, targets, sink);
  part!.backward(params, saved, dx, sink, ctx);
  for (const spent of [y, dx]) spent.dispose();
  const gradients = take();
  const bits = leaves<Tensor>(gradients).map(([path, leaf]) => [path, [...leaf.dataSync()]]);
  const result = { loss: loss.dataSync()[0], gradients: bits };
  disposeTree(gradients);
  loss.dispose();
  expect(memory().numTensors).toBe(before);
  return { result, kept };
}

test.each(kinds)("%j: same loss, same gradients, less kept", (recomputation) => {
  const plain = stepWith();
  const again = stepWith(recomputation);
  expect(again.result).toEqual(plain.result);
  expect(again.kept).toBeLessThan(plain.kept);
});

test("the formula of what blocks keep counts units by their inputs", () => {
  const micro = { rows: ROWS, time: TIME, bytes: 4 } as const;
  const ends = (recompute?: Recomputation): number => {
    const keeping = recompute === undefined ? {} : { recompute };
    const { kept } = stepWith(recompute);
    return 4 * kept - savedActivationBytes(config, micro, keeping, LAYERS);
  };
  // What is kept beside the blocks is the same, whatever is kept of them.
  for (const how of kinds.filter((kind) => kind !== "attention")) expect(ends(how)).toBe(ends());
});

test("a unit keeps its input alone", () => {
  const activation = ROWS * TIME * config.hiddenSize;
  const ends = stepWith({ kind: "uniform", layers: LAYERS }).kept - activation;
  expect(stepWith({ kind: "uniform", layers: 1 }).kept - ends).toBe(LAYERS * activation);
  expect(stepWith({ kind: "uniform", layers: 2 }).kept - ends).toBe((LAYERS / 2) * activation);
});
