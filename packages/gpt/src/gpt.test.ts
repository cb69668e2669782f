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

const rotary = (fraction: number, pairs: "halves" | "neighbours") =>
  ({ kind: "rotary", base: 10_000, fraction, pairs }) as const;

describe("the published number of parameters", () => {
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

const positionRows = ({ positions, maxPositions }: GptConfig) =>
  positions.kind === "learned" ? maxPositions : 0;

test.each(presetNames)(
  "%s is a valid configuration, with about 6 FLOPs per weight of a product",
  (name) => {
    const config = preset(name);
    const table = config.vocabularySize * config.hiddenSize;
    const tables = (config.tiedEmbeddings ? 0 : config.vocabularySize) + positionRows(config);
    const productWeights = parameterCount(config) - tables * config.hiddenSize;
    expect(productWeights).toBeGreaterThan(table);
    expect(trainingFlopsPerToken(config, 1) / productWeights / 6).toBeCloseTo(1, 1);
  },
);

test("FLOPs of attention are those of the positions in windows", () => {
  const sizes = { layerCount: 4, hiddenSize: 12, headCount: 3, vocabularySize: 9 };
  const flops = (window: GptConfig["window"], time: number) =>
    trainingFlopsPerToken(gptConfig({ ...sizes, window }), time);
  const some = { size: 10, layers: [true, false, true, true] };
  expect(flops({ size: 10 }, 100)).toBe(flops(null, 10));
  expect(4 * (flops(some, 100) - flops({ size: 10 }, 100))).toBe(
    flops(null, 100) - flops(null, 10),
  );
  expect(flops(some, 7)).toBe(flops(null, 7));
});

describe("sizes that cannot be built are refused", () => {
  const sizes = { layerCount: 2, hiddenSize: 12, headCount: 3 };
  test.each([
    [{ headCount: 5 }, "5 heads do not divide the hidden size 12"],
    [{ kvHeadCount: 2 }, "2 KV heads do not divide the 3 heads"],
    [{ layerCount: 0 }, "layerCount is 0"],
    [{ positions: rotary(0.25, "halves") }, "the rotary fraction is 0.25 of heads of 4"],
    [{ biases: { attention: true, mlp: true, head: true } }, "has no bias: untie it"],
    [{ dropout: uniformDropout(1) }, "embedding dropout is 1"],
  ])("%j", (change, message) => {
    expect(() => gptConfig({ ...sizes, ...change })).toThrow(message);
  });

  test("an unknown name is refused with the list of names", () => {
    expect(() => preset("gpt5")).toThrow(/no model gpt5.*gpt2-xl/);
  });
});

/** The architectures that a configuration can describe, each a variation of the small one. */
const kinds: readonly [string, GptConfig][] = [
  ["GPT-2", small],
  [
    "GPT-2 with a window in the first layer",
    gptConfig({ ...small, window: { size: 2, layers: [true, false] } }),
  ],
  [
    "GPT-J",
    gptConfig({
      ...small,
      positions: rotary(0.5, "neighbours"),
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
      positions: rotary(1, "halves"),
      activation: "swiglu",
      norm: "rms",
      biases: { attention: false, mlp: false, head: false },
      tiedEmbeddings: false,
    }),
  ],
  ["a GPT without position embedding", gptConfig({ ...small, positions: { kind: "none" } })],
];

test.each(kinds)("a block of %s has the right gradients, and leaks nothing", (_name, config) => {
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

describe.each(kinds)("a model: %s", (_name, config) => {
  const model = gpt(config);
  const make = () => materialize<GptParams>(model.spec, 1);

  test("has the logarithm of the vocabulary size as its initial loss", () => {
    const loss = model.loss(make(), batch(), evalContext).dataSync()[0]!;
    expect(loss).toBeCloseTo(Math.log(small.vocabularySize), 1);
  });

  test("gives every parameter a gradient, has the loss of `loss`, and leaks nothing", () => {
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
    const forwardLoss = model.loss(params, rows, evalContext);
    expect(forwardLoss.dataSync()[0]).toBeCloseTo(loss.dataSync()[0]!, 6);
    disposeTree(gradients);
    loss.dispose();
    forwardLoss.dispose();
    expect(memory().numTensors).toBe(before);
  });

  test("has bitwise equal gradients with selective recomputation", () => {
    const params = make();
    const rows = batch();
    const ctx = { ...evalContext, training: true, rows: 2 };
    const [saved, recomputed] = [model, gpt(config, { recompute: "attention" })].map((one) => {
      const { sink, take } = accumulate(params);
      one.lossAndGradients(params, rows, sink, ctx);
      return leaves<Tensor>(take()).map(([path, gradient]) => [path, gradient.dataSync()]);
    });
    expect(recomputed).toEqual(saved);
  });

  test("does not depend on masked tokens", () => {
    const params = make();
    const rows = batch();
    const computeLoss = (weights: number[], lastTarget: number) => {
      const ids = rows.targets.ids.dataSync().slice();
      ids[7] = lastTarget;
      const targets = { ids: tensor(ids, [2, 4], "int32"), weights: tensor(weights, [2, 4]) };
      return model.loss(params, { ids: rows.ids, targets }, evalContext).dataSync()[0];
    };
    const masked = [1, 1, 1, 1, 1, 1, 1, 0];
    expect(computeLoss(masked, 3)).toBe(computeLoss(masked, 9));
    expect(computeLoss(Array<number>(8).fill(1), 3)).not.toBe(
      computeLoss(Array<number>(8).fill(1), 9),
    );
  });
});

test("logits do not depend on later tokens", () => {
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

test("the loss is linear in the weights of tokens", () => {
  const model = gpt(small);
  const params = materialize<GptParams>(model.spec, 1);
  const rows = batch();
  const unweighted = { ...rows, targets: { ...rows.targets, weights: ones([2, 4]) } };
  const [mean, sum] = [rows, unweighted].map(
    (b) => model.loss(params, b, evalContext).dataSync()[0]!,
  );
  expect(sum! / mean!).toBeCloseTo(8, 4);
});
