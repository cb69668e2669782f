// Cross-entropy in chunks, for logits whose loss and gradients are known in closed form: odd tokens have the logit x,
// even ones 0.

import "@tensorflow/tfjs-backend-cpu";
import { beforeAll, expect, test } from "@jest/globals";
import { enableProdMode, memory, setBackend, tensor, type Tensor } from "@tensorflow/tfjs-core";
import { singleGroup, type ProcessGroup } from "@tessera/collectives";
import { disposeTree } from "@tessera/params";
import { claim } from "@tessera/params/placement";
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

/** Sums of exponentials over the vocabulary. */
const sumExps = xs.map((x) => (VOCABULARY / 2) * (1 + Math.exp(x)));
const loss = xs.reduce(
  (sum, x, i) => sum + weights[i]! * (Math.log(sumExps[i]!) - x * (targets[i]! % 2)),
  0,
);
const dLogit = (i: number, token: number): number =>
  weights[i]! * (Math.exp(xs[i]! * (token % 2)) / sumExps[i]! - (targets[i] === token ? 1 : 0));
const tokens = Array.from({ length: VOCABULARY }, (_, token) => token);
const total = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const dx = xs.map((_, i) => total(tokens.map((token) => dLogit(i, token) * (token % 2))));
const dTable = tokens.map((token) => total(xs.map((x, i) => dLogit(i, token) * x)));
const dBias = tokens.map((token) => total(xs.map((_, i) => dLogit(i, token))));

/** The shard of a single rank, and a count of chunks: each has one all-gather. */
function createShard(logitBytes: number | null, hasBias: boolean) {
  const single = singleGroup();
  let chunks = 0;
  const group: ProcessGroup = {
    ...single,
    allGather: (x, dim) => {
      chunks += 1;
      return single.allGather(x, dim);
    },
  };
  const shard: VocabularyShard = {
    group,
    firstToken: 0,
    x: claim(tensor(xs, [1, xs.length, 1])),
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
  return { shard, countChunks: () => chunks };
}

const expectValues = (actual: Tensor, expected: readonly number[]): void => {
  const values = [...actual.dataSync()];
  expect(values).toHaveLength(expected.length);
  values.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 4));
};

const ROW = 4 * VOCABULARY;

test.each([
  ["any number of positions", null, 1],
  ["all positions", 9 * ROW, 1],
  ["one position less than all", 9 * ROW - 1, 2],
  ["four positions", 4 * ROW, 3],
  ["one position", ROW, 9],
  ["less than one position", 1, 9],
])("memory for %s: the fewest chunks that fit, and the same gradients", (_name, bytes, chunks) => {
  for (const hasBias of [false, true]) {
    const before = memory().numTensors;
    const { shard, countChunks } = createShard(bytes, hasBias);
    const evalLoss = computeLoss(shard);
    expectValues(evalLoss, [loss]);
    expect(countChunks()).toBe(chunks);
    const result = computeLossAndGradients(shard);
    expect(countChunks()).toBe(2 * chunks);
    const tableGradient = result.dTable!();
    expectValues(result.loss, [loss]);
    expectValues(result.dx, dx);
    expectValues(tableGradient, dTable);
    expect(result.dx.shape).toEqual([1, xs.length, 1]);
    expect(result.dBias === null).toBe(!hasBias);
    if (result.dBias !== null) expectValues(result.dBias, dBias);
    const { x, table, bias, targets: inputs } = shard;
    disposeTree({
      ...{ x, table, ...inputs },
      ...{ evalLoss, loss: result.loss, dx: result.dx, tableGradient },
    });
    bias?.dispose();
    result.dBias?.dispose();
    expect(memory().numTensors).toBe(before);
  }
});
