import { beforeAll, describe, expect, test } from "@jest/globals";
import "@tensorflow/tfjs-backend-cpu";
import {
  enableProdMode,
  memory,
  scalar,
  setBackend,
  tensor,
  type Tensor,
} from "@tensorflow/tfjs-core";
import { disposeTree, matrix, vector } from "@tessera/params";
import {
  adam,
  clipFactor,
  decayOf,
  globalNorm,
  initialState,
  sgd,
  type Optimizer,
} from "./index.js";

beforeAll(async () => {
  enableProdMode();
  await setBackend("cpu");
});

const START = [1, -2, 3];
const GRADIENTS = [
  [0.5, -0.5, 0.1],
  [-1, 0.25, 0.3],
  [0.2, 0.2, -4],
];
const RATE = 0.1;
const SCALE = 0.5;
const DECAY = 0.05;

interface Scalars {
  param: number;
  a: number;
  b: number;
}

/** Runs an optimizer over the three gradients; what becomes of the parameter. */
function run(optimizer: Optimizer): number[] {
  const scale = scalar(SCALE);
  let params: { w: Tensor } = { w: tensor(START) };
  let state = initialState(optimizer, params);
  const before = memory().numTensors;
  GRADIENTS.forEach((values, i) => {
    const update = { step: i + 1, learningRate: RATE, scale };
    ({ params, state } = optimizer.step(params, { w: tensor(values) }, state, update));
  });
  expect(memory().numTensors).toBe(before);
  return [...params.w.dataSync()];
}

/** The same by a rule for plain numbers. */
const expected = (rule: (now: Scalars, gradient: number, step: number) => void): number[] =>
  START.map((start, i) => {
    const now = { param: start, a: 0, b: 0 };
    GRADIENTS.forEach((values, step) => rule(now, values[i]! * SCALE, step + 1));
    return now.param;
  });

const beta1 = 0.9;
const beta2 = 0.95;
const epsilon = 1e-8;
const adamRule = (now: Scalars, gradient: number, step: number): void => {
  now.a = beta1 * now.a + (1 - beta1) * gradient;
  now.b = beta2 * now.b + (1 - beta2) * gradient ** 2;
  const size = Math.sqrt(now.b / (1 - beta2 ** step)) + epsilon;
  now.param -= (RATE * (now.a / (1 - beta1 ** step))) / size;
};

describe("an optimizer follows its rule", () => {
  const options = { beta1, beta2, epsilon, weightDecay: DECAY };
  test.each<[string, Optimizer, (now: Scalars, gradient: number, step: number) => void]>([
    [
      "AdamW",
      adam({ ...options, decoupled: true }, () => true),
      (now, gradient, step) => {
        now.param *= 1 - RATE * DECAY;
        adamRule(now, gradient, step);
      },
    ],
    [
      "Adam with L2",
      adam({ ...options, decoupled: false }, () => true),
      (now, gradient, step) => adamRule(now, gradient + DECAY * now.param, step),
    ],
    ["Adam, parameter without decay", adam({ ...options, decoupled: true }, () => false), adamRule],
    [
      "SGD with momentum",
      sgd({ momentum: 0.9, weightDecay: DECAY }, () => true),
      (now, gradient) => {
        now.a = 0.9 * now.a + gradient + DECAY * now.param;
        now.param -= RATE * now.a;
      },
    ],
    [
      "SGD, parameter without decay",
      sgd({ momentum: 0.9, weightDecay: DECAY }, () => false),
      (now, gradient) => {
        now.a = 0.9 * now.a + gradient;
        now.param -= RATE * now.a;
      },
    ],
  ])("%s", (_name, optimizer, rule) => {
    const values = run(optimizer);
    expected(rule).forEach((value, i) => expect(values[i]).toBeCloseTo(value, 5));
  });
});

test("decay acts on matrices, not on gains and biases", () => {
  const decays = decayOf({ up: { weight: matrix([2, 2], null, 1), bias: vector([2], null, 0) } });
  expect(decays("up.weight")).toBe(true);
  expect(decays("up.bias")).toBe(false);
});

test("clipping brings a large norm to the limit and leaves a small one alone", () => {
  const gradients = { a: tensor([3, 0]), b: { c: tensor([0, 4]) } };
  const norm = globalNorm(gradients);
  expect(norm.dataSync()[0]).toBeCloseTo(5, 6);
  expect(clipFactor(norm, 1).dataSync()[0]).toBeCloseTo(0.2, 6);
  expect(clipFactor(norm, 10).dataSync()[0]).toBe(1);
  disposeTree(gradients);
});

describe("where gradients overflow", () => {
  const options = { beta1, beta2, epsilon, weightDecay: DECAY, decoupled: true };

  test.each([
    ["adam", adam(options, () => true)],
    ["sgd", sgd({ momentum: 0.9, weightDecay: DECAY }, () => true)],
  ])("%s leaves everything as it was", (_name, optimizer) => {
    const gradients = { w: tensor([1, Infinity, 2]) };
    const norm = globalNorm(gradients);
    const scale = clipFactor(norm, 1);
    const params = { w: tensor(START) };
    const state = initialState(optimizer, params);
    const next = optimizer.step(params, gradients, state, { step: 1, learningRate: RATE, scale });
    expect([...next.params.w.dataSync()]).toEqual(START);
    for (const slot of optimizer.slots) {
      const { w } = next.state[slot] as { readonly w: Tensor };
      expect([...w.dataSync()]).toEqual([0, 0, 0]);
    }
  });
});
