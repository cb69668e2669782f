// Logits that are made a chunk at a time, where loss and gradients are known in closed form: tokens with an odd
// number have the logit x, all others 0.

import "@tensorflow/tfjs-backend-cpu";
import { beforeAll, expect, test } from "@jest/globals";
import { enableProdMode, memory, setBackend, tensor, type Tensor } from "@tensorflow/tfjs-core";
import { singleGroup, type ProcessGroup } from "@tessera/collectives";
import { disposeTree } from "@tessera/params";
import {
  computeLossAndGradients,
  computeLoss,
  type VocabularyShard,
} from "./vocab_parallel_cross_entropy.js";

beforeAll(async () => {
  enableProdMode(); // no advice to install another backend
  await setBackend("cpu");
});

const VOCABULARY = 12;
const xs = Array.from({ length: 9 }, (_, i) => (i - 3) / 2);
const targets = xs.map((_, i) => (i * i + 3) % VOCABULARY);
const weights = xs.map((_, i) => (i === 2 ? 0 : i + 1));

/** Sums of exps over the vocabulary. */
const sums = xs.map((x) => (VOCABULARY / 2) * (1 + Math.exp(x)));
const loss = xs.reduce(
  (sum, x, i) => sum + weights[i]! * (Math.log(sums[i]!) - x * (targets[i]! % 2)),
  0,
);
const dLogit = (i: number, token: number): number =>
  weights[i]! * (Math.exp(xs[i]! * (token % 2)) / sums[i]! - (targets[i] === token ? 1 : 0));
const tokens = Array.from({ length: VOCABULARY }, (_, token) => token);
const total = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const dx = xs.map((_, i) => total(tokens.map((token) => dLogit(i, token) * (token % 2))));
const dTable = tokens.map((token) => total(xs.map((x, i) => dLogit(i, token) * x)));
const dBias = tokens.map((token) => total(xs.map((_, i) => dLogit(i, token))));

/** Slices of one rank; what it tells others is counted, which it does once a chunk. */
function slicesOf(logitBytes: number | null, hasBias: boolean) {
  const alone = singleGroup();
  let chunks = 0;
  const group: ProcessGroup = {
    ...alone,
    allGather: (x, dim) => {
      chunks += 1;
      return alone.allGather(x, dim);
    },
  };
  const slices: VocabularyShard = {
    group,
    firstToken: 0,
    x: tensor(xs, [1, xs.length, 1]),
    table: tensor(
      tokens.map((token) => token % 2),
      [VOCABULARY, 1],
    ),
    bias: hasBias ? tensor(tokens.map(() => 0)) : undefined,
    targets: {
      ids: tensor(targets, [1, xs.length], "int32"),
      weights: tensor(weights, [1, xs.length]),
    },
    ...(logitBytes !== null && { logitBytes }),
  };
  return { slices, chunksOf: () => chunks };
}

const expectValues = (actual: Tensor, expected: readonly number[]): void => {
  const values = [...actual.dataSync()];
  expect(values).toHaveLength(expected.length);
  values.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 4));
};

const ROW = 4 * VOCABULARY;

test.each([
  ["as much as it likes", null, 1],
  ["all positions", 9 * ROW, 1],
  ["one position less than all", 9 * ROW - 1, 2],
  ["four positions", 4 * ROW, 3],
  ["one position", ROW, 9],
  ["less than one position", 1, 9],
])("memory for %s: as few chunks as it allows, and the same gradients", (_name, bytes, chunks) => {
  for (const hasBias of [false, true]) {
    const before = memory().numTensors;
    const { slices, chunksOf } = slicesOf(bytes, hasBias);
    const evaluated = computeLoss(slices);
    expectValues(evaluated, [loss]);
    expect(chunksOf()).toBe(chunks);
    const made = computeLossAndGradients(slices);
    expect(chunksOf()).toBe(2 * chunks);
    const ofTable = made.dTable();
    expectValues(made.loss, [loss]);
    expectValues(made.dx, dx);
    expectValues(ofTable, dTable);
    expect(made.dx.shape).toEqual([1, xs.length, 1]);
    expect(made.dBias === null).toBe(!hasBias);
    if (made.dBias !== null) expectValues(made.dBias, dBias);
    const { x, table, bias, targets: given } = slices;
    disposeTree({ x, table, ...given, evaluated, loss: made.loss, dx: made.dx, ofTable });
    bias?.dispose();
    made.dBias?.dispose();
    expect(memory().numTensors).toBe(before);
  }
});
