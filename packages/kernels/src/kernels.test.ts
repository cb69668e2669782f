import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import "@tensorflow/tfjs-backend-cpu";
import {
  concat,
  enableProdMode,
  memory,
  ones,
  registerKernel,
  reshape,
  scalar,
  setBackend,
  slice,
  tensor,
  tidy,
  unregisterKernel,
  type Tensor,
} from "@tensorflow/tfjs-core";
import {
  accumulate,
  call,
  callMultiTensor,
  causalAttention,
  crossEntropy,
  crossEntropyGradient,
  embed,
  embedGradient,
  layerNorm,
  linear,
  product,
  rotary,
  roundSum,
  sumOfSquares,
  sumRows,
  swiglu,
  weightGradient,
} from "./index.js";

beforeAll(async () => {
  enableProdMode();
  await setBackend("cpu");
});

/** Values without a pattern that a mistake could hide in. */
const made = (...shape: number[]): Tensor => {
  const size = shape.reduce((a, b) => a * b, 1);
  return tensor(
    Float32Array.from({ length: size }, (_, i) => Math.sin(7 * i + shape.length)),
    shape,
  );
};
const values = (x: Tensor): number[] => [...x.dataSync()];

function expectClose(actual: Tensor, expected: readonly number[]): void {
  const found = values(actual);
  expect(found).toHaveLength(expected.length);
  expected.forEach((value, i) => expect(found[i]).toBeCloseTo(value, 5));
}

describe("a composite gives the numbers of its formula:", () => {
  test("linear and its products", () => {
    const [x, weight, bias] = [made(2, 3, 4), made(4, 5), made(5)];
    const [xs, ws, bs] = [x, weight, bias].map(values) as [number[], number[], number[]];
    const rows = [0, 1, 2, 3, 4, 5];
    const y = rows.flatMap((n) =>
      bs.map((b, o) => [0, 1, 2, 3].reduce((sum, i) => sum + xs[n * 4 + i]! * ws[i * 5 + o]!, b)),
    );
    expectClose(call(linear, { x, weight, bias }, {}).y, y);
    const dy = made(2, 3, 5);
    const ds = values(dy);
    const dx = rows.flatMap((n) =>
      [0, 1, 2, 3].map((i) => bs.reduce((sum, _b, o) => sum + ds[n * 5 + o]! * ws[i * 5 + o]!, 0)),
    );
    expectClose(call(product, { x: dy, weight }, { transpose: true }).y, dx);
    const dWeight = [0, 1, 2, 3].flatMap((i) =>
      bs.map((_b, o) => rows.reduce((sum, n) => sum + xs[n * 4 + i]! * ds[n * 5 + o]!, 0)),
    );
    expectClose(call(weightGradient, { x, dy }, {}).dWeight, dWeight);
    const dBias = bs.map((_b, o) => rows.reduce((sum, n) => sum + ds[n * 5 + o]!, 0));
    expectClose(call(sumRows, { dy }, {}).dBias, dBias);
    const total = xs.reduce((sum, value) => sum + value * value, 0);
    const sum = callMultiTensor(sumOfSquares, { xs: [x] }, {}).total;
    expectClose(call(roundSum, { sum }, {}).total, [total]);
  });

  test("layerNorm", () => {
    const [x, gain, bias] = [made(3, 8), made(8), made(8)];
    const [xs, gs, bs] = [x, gain, bias].map(values) as [number[], number[], number[]];
    const expected = [0, 1, 2].flatMap((row) => {
      const cells = xs.slice(row * 8, row * 8 + 8);
      const mean = cells.reduce((a, b) => a + b) / 8;
      const variance = cells.reduce((sum, cell) => sum + (cell - mean) ** 2, 0) / 8;
      return cells.map((cell, i) => (gs[i]! * (cell - mean)) / Math.sqrt(variance + 0.1) + bs[i]!);
    });
    expectClose(call(layerNorm, { x, gain, bias }, { epsilon: 0.1 }).y, expected);
  });

  test("causalAttention with shared key heads", () => {
    const [batch, time, heads, groups, depth] = [2, 3, 4, 2, 2];
    const [query, keyValue] = [
      made(batch, time, heads, depth),
      made(batch, time, 2, groups, depth),
    ];
    const [q, kv] = [values(query), values(keyValue)];
    const at = (b: number, t: number, half: number, g: number, d: number) =>
      kv[(((b * time + t) * 2 + half) * groups + g) * depth + d]!;
    const expected: number[] = [];
    for (let b = 0; b < batch; b += 1)
      for (let t = 0; t < time; t += 1)
        for (let h = 0; h < heads; h += 1) {
          const g = Math.floor(h / (heads / groups));
          const weights = Array.from({ length: t + 1 }, (_, s) => {
            const score = [0, 1].reduce(
              (sum, d) => sum + q[((b * time + t) * heads + h) * depth + d]! * at(b, s, 0, g, d),
              0,
            );
            return Math.exp(0.7 * score);
          });
          const total = weights.reduce((a, w) => a + w);
          for (let d = 0; d < depth; d += 1)
            expected.push(weights.reduce((sum, w, s) => sum + (w / total) * at(b, s, 1, g, d), 0));
        }
    const unused = { shape: [], start: [], size: [], key: [] };
    const attributes = { ...unused, scale: 0.7, window: Infinity, rate: 0 };
    expectClose(call(causalAttention, { query, keyValue }, attributes).y, expected);
  });

  test("embed takes rows, and its gradient sums what came from each", () => {
    const ids = tensor([[2, 0, 2]], [1, 3], "int32");
    const table = made(3, 2);
    const t = values(table);
    expectClose(
      call(embed, { table, ids }, { firstToken: 0, vocabulary: 3 }).y,
      [4, 5, 0, 1, 4, 5].map((i) => t[i]!),
    );
    const dy = tensor([1, 2, 3, 4, 5, 6], [1, 3, 2]);
    expectClose(
      call(embedGradient, { ids, dy }, { rows: 3, firstToken: 0, vocabulary: 3 }).dTable,
      [3, 4, 0, 0, 6, 8],
    );
  });

  test.each([
    ["halves", [0, 2]],
    ["neighbours", [0, 1]],
  ] as const)("rotary turns pairs of %s of the first head, and back", (pairs, [first, second]) => {
    const x = made(1, 2, 2, 5);
    const turns = { frequencies: [1, 0.1], magnitude: 1 };
    const attributes = { ...turns, pairs, heads: 1, starts: [6], inverse: false };
    const { y } = call(rotary, { x: x.clone() }, attributes);
    const [xs, ys] = [values(x), values(y)];
    // The token at position 7 turns its first pair by 7, its second by a tenth of that.
    const [a, b] = [xs[10 + first]!, xs[10 + second]!];
    expect(ys[10 + first]).toBeCloseTo(a * Math.cos(7) - b * Math.sin(7), 5);
    expect(ys[10 + second]).toBeCloseTo(a * Math.sin(7) + b * Math.cos(7), 5);
    expect(ys[13]).toBeCloseTo(
      pairs === "halves"
        ? xs[11]! * Math.sin(0.7) + xs[13]! * Math.cos(0.7)
        : xs[12]! * Math.sin(0.7) + xs[13]! * Math.cos(0.7),
      5,
    );
    expect(ys.slice(14)).toEqual(xs.slice(14));
    expectClose(call(rotary, { x: y }, { ...attributes, inverse: true }).y, xs);
  });

  test("swiglu multiplies the second half by silu of the first", () => {
    const x = made(2, 6);
    const xs = values(x);
    const y = [0, 1, 2, 6, 7, 8].map((i) => (xs[i]! / (1 + Math.exp(-xs[i]!))) * xs[i + 3]!);
    expectClose(call(swiglu, { x }, {}).y, y);
  });

  test("crossEntropy is the weighted negative log likelihood", () => {
    const [x, table] = [made(1, 2, 3), made(4, 3)];
    const inputs = {
      x,
      table,
      targets: tensor([[3, 1]], [1, 2], "int32"),
      weights: tensor([0.25, 2], [1, 2]),
    };
    const [xs, ts] = [values(x), values(table)];
    const nats = [3, 1].map((target, n) => {
      const logits = [0, 1, 2, 3].map((v) =>
        [0, 1, 2].reduce((sum, c) => sum + xs[n * 3 + c]! * ts[v * 3 + c]!, 0),
      );
      return Math.log(logits.reduce((sum, l) => sum + Math.exp(l), 0)) - logits[target]!;
    });
    const loss = 0.25 * nats[0]! + 2 * nats[1]!;
    const limit = { exponentialBytes: 2 ** 20 };
    expectClose(call(crossEntropy, inputs, {}).loss, [loss]);
    expectClose(call(crossEntropyGradient, inputs, limit).loss, [loss]);
    // A bias is the column of the table for a dimension in which all x are one.
    const bias = made(4);
    const wide = { ...inputs, x: concat([x, ones([1, 2, 1])], 2) };
    const wider = { ...wide, table: concat([table, reshape(bias, [4, 1])], 1) };
    const expected = call(crossEntropyGradient, wider, limit);
    const biased = call(crossEntropyGradient, { ...inputs, bias }, limit);
    expectClose(biased.loss, values(expected.loss));
    expectClose(biased.dBias!, values(slice(expected.dTable, [0, 3], [4, 1])));
    expectClose(biased.dx, values(slice(expected.dx, [0, 0, 0], [1, 2, 3])));
    expectClose(call(crossEntropy, { ...inputs, bias }, {}).loss, values(expected.loss));
  });
});

test("inputs that do not fit are refused by name", () => {
  const inputs = { x: made(2, 3), weight: made(4, 5), bias: made(5) };
  expect(() => call(linear, inputs, {})).toThrow("linear: x is [2, 3], must be [2, 4]");
});

test("consumed inputs are freed, the others are not", () => {
  const [sum, gradient] = [made(2), made(2)];
  const before = memory().numTensors;
  const { total } = call(accumulate, { sum, gradient }, {});
  expect(memory().numTensors).toBe(before - 1);
  expect(sum.isDisposed && gradient.isDisposed && !total.isDisposed).toBe(true);
});

describe("a backend that registers a kernel", () => {
  afterAll(() => unregisterKernel(sumRows.name, "cpu"));

  test("runs it in place of the composite", () => {
    registerKernel({
      kernelName: sumRows.name,
      backendName: "cpu",
      kernelFunc: () => tidy(() => scalar(42)),
    });
    expectClose(call(sumRows, { dy: made(2, 3) }, {}).dBias, [42]);
  });
});
