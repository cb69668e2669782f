import { beforeAll, describe, expect, test } from "@jest/globals";
import "@tensorflow/tfjs-backend-cpu";
import {
  enableProdMode,
  memory,
  ones,
  setBackend,
  tensor,
  tidy,
  type Tensor,
} from "@tensorflow/tfjs-core";
import { evalContext } from "@tessera/layers";
import { noTensorParallel } from "@tessera/layers/parallel";
import { accumulate, disposeTree, leaves, materialize } from "@tessera/params";
import { compareSlopes, countLeaks } from "@tessera/layers/laws";
import {
  block,
  uniformDropout,
  gpt,
  gptConfig,
  parameterCount,
  preset,
  presetNames,
  trainingFlopsPerToken,
  type GptConfig,
  type GptParams,
} from "./index.js";

beforeAll(async () => {
  enableProdMode();
  await setBackend("cpu");
});

const small = gptConfig({
  layerCount: 2,
  hiddenSize: 12,
  headCount: 3,
  vocabularySize: 17,
  maxPositions: 8,
  dropout: uniformDropout(0.1),
});

const batch = () => ({
  ids: tensor(
    [
      [1, 2, 3, 4],
      [5, 6, 7, 8],
    ],
    [2, 4],
    "int32",
  ),
  targets: {
    ids: tensor(
      [
        [2, 3, 4, 5],
        [6, 7, 8, 9],
      ],
      [2, 4],
      "int32",
    ),
    weights: tensor(Array<number>(8).fill(1 / 8), [2, 4]),
  },
});

const rotaryOf = (share: number, pairs: "halves" | "neighbours") =>
  ({ kind: "rotary", base: 10_000, fraction: share, pairs }) as const;

describe("parameters, as published", () => {
  test.each([
    ["gpt2", 124_439_808],
    ["gpt2-medium", 354_823_168],
    ["gpt2-large", 774_030_080],
    ["gpt2-xl", 1_557_611_200],
    ["gptj-6b", 6_050_882_784],
  ])("%s", (name, count) => {
    expect(parameterCount(preset(name))).toBe(count);
  });

  test("GPT-3 has 175 billion", () => {
    expect(parameterCount(preset("gpt3-175b")) / 1e9).toBeCloseTo(175, 0);
  });
});

const positionsOf = ({ positions, maxPositions }: GptConfig) =>
  positions.kind === "learned" ? maxPositions : 0;

test.each(presetNames)("%s describes a model, at close to 6 operations per weight", (name) => {
  const config = preset(name);
  const table = config.vocabularySize * config.hiddenSize;
  const tables = (config.tiedEmbeddings ? 0 : config.vocabularySize) + positionsOf(config);
  const inProducts = parameterCount(config) - tables * config.hiddenSize;
  expect(inProducts).toBeGreaterThan(table);
  expect(trainingFlopsPerToken(config, 1) / inProducts / 6).toBeCloseTo(1, 1);
});

describe("sizes that cannot be built are refused", () => {
  const sizes = { layerCount: 2, hiddenSize: 12, headCount: 3 };
  test.each([
    [{ headCount: 5 }, "5 heads do not divide the hidden size 12"],
    [{ kvHeadCount: 2 }, "2 key heads do not divide the 3 query heads"],
    [{ layerCount: 0 }, "layerCount is 0"],
    [{ positions: rotaryOf(0.25, "halves") }, "turn 0.25 of heads of 4"],
    [{ biases: { attention: true, mlp: true, head: true } }, "has no bias: untie it"],
    [{ dropout: uniformDropout(1) }, "embedding dropout is 1"],
  ])("%j", (change, message) => {
    expect(() => gptConfig({ ...sizes, ...change })).toThrow(message);
  });

  test("a name that is none lists the names", () => {
    expect(() => preset("gpt5")).toThrow(/no model gpt5.*gpt2-xl/);
  });
});

/** The other kinds of GPT, each a variation of the small one. */
const kinds: readonly [string, GptConfig][] = [
  ["GPT-2", small],
  [
    "GPT-J",
    gptConfig({
      ...small,
      positions: rotaryOf(0.5, "neighbours"),
      parallelBlock: true,
      biases: { attention: false, mlp: true, head: true },
      tiedEmbeddings: false,
    }),
  ],
  [
    "Llama",
    gptConfig({
      ...small,
      kvHeadCount: 1,
      positions: rotaryOf(1, "halves"),
      activation: "swiglu",
      norm: "rms",
      biases: { attention: false, mlp: false, head: false },
      tiedEmbeddings: false,
    }),
  ],
  ["one that does not know positions", gptConfig({ ...small, positions: { kind: "none" } })],
];

test.each(kinds)("a block of %s obeys the laws of layers", (_name, config) => {
  const layer = block(config, noTensorParallel);
  const params = materialize<Parameters<typeof layer.forward>[0]>(layer.spec, 3);
  const x = tensor(
    Float32Array.from({ length: 2 * 4 * 12 }, (_, i) => Math.sin(i)),
    [2, 4, 12],
  );
  const ctx = { ...evalContext, training: true, rows: 2 };
  const slopes = compareSlopes(layer, params, x, ctx);
  expect(slopes).not.toHaveLength(0);
  for (const { numerical, analytic } of slopes) {
    expect(Math.abs(numerical - analytic) / (1 + Math.abs(analytic))).toBeLessThan(2e-3);
  }
  expect(countLeaks(layer, params, x, ctx)).toBe(0);
});

describe.each(kinds)("a model like %s", (_name, config) => {
  const model = gpt(config);
  const make = () => materialize<GptParams>(model.spec, 1);

  test("knows nothing at first: its loss is the logarithm of the vocabulary", () => {
    const loss = model.loss(make(), batch(), evalContext).dataSync()[0]!;
    expect(loss).toBeCloseTo(Math.log(small.vocabularySize), 1);
  });

  test("gives every parameter a gradient, the loss of `loss`, and leaves nothing behind", () => {
    const params = make();
    const rows = batch();
    const before = memory().numTensors;
    const { sink, take } = accumulate(params);
    const loss = model.lossAndGradients(params, rows, sink, evalContext);
    const gradients = take();
    const paths = (tree: GptParams) => leaves<Tensor>(tree).map(([path]) => path);
    expect(paths(gradients)).toEqual(paths(params));
    for (const [path, gradient] of leaves<Tensor>(gradients)) {
      expect([path, gradient.dataSync().some((value) => value !== 0)]).toEqual([path, true]);
    }
    const alone = model.loss(params, rows, evalContext);
    expect(alone.dataSync()[0]).toBeCloseTo(loss.dataSync()[0]!, 6);
    disposeTree(gradients);
    loss.dispose();
    alone.dispose();
    expect(memory().numTensors).toBe(before);
  });

  test("has the same gradients, to the bit, where attention is computed again", () => {
    const params = make();
    const rows = batch();
    const at = { ...evalContext, training: true, rows: 2 };
    const [kept, again] = [model, gpt(config, { recompute: "attention" })].map((of) => {
      const { sink, take } = accumulate(params);
      of.lossAndGradients(params, rows, sink, at);
      return leaves<Tensor>(take()).map(([path, gradient]) => [path, gradient.dataSync()]);
    });
    expect(again).toEqual(kept);
  });

  test("masked tokens have no influence", () => {
    const params = make();
    const rows = batch();
    const lossOf = (weights: number[], lastTarget: number) => {
      const ids = rows.targets.ids.dataSync().slice();
      ids[7] = lastTarget;
      const targets = { ids: tensor(ids, [2, 4], "int32"), weights: tensor(weights, [2, 4]) };
      return model.loss(params, { ids: rows.ids, targets }, evalContext).dataSync()[0];
    };
    const masked = [1, 1, 1, 1, 1, 1, 1, 0];
    expect(lossOf(masked, 3)).toBe(lossOf(masked, 9));
    expect(lossOf(Array<number>(8).fill(1), 3)).not.toBe(lossOf(Array<number>(8).fill(1), 9));
  });
});

test("the future has no influence on the past", () => {
  const model = gpt(small);
  const params = materialize<GptParams>(model.spec, 1);
  const row = (last: number) =>
    tidy(() => {
      const ids = tensor([[1, 2, 3, last]], [1, 4], "int32");
      return model.logits(params, model.activations(params, ids, evalContext)).dataSync();
    });
  const [a, b] = [row(4), row(11)];
  const past = 3 * small.vocabularySize;
  expect(a.slice(0, past)).toEqual(b.slice(0, past));
  expect(a.slice(past)).not.toEqual(b.slice(past));
});

test("ones count as weights do", () => {
  const model = gpt(small);
  const params = materialize<GptParams>(model.spec, 1);
  const rows = batch();
  const twice = { ...rows, targets: { ...rows.targets, weights: ones([2, 4]) } };
  const [one, eight] = [rows, twice].map((b) => model.loss(params, b, evalContext).dataSync()[0]!);
  expect(eight! / one!).toBeCloseTo(8, 4);
});
