import { beforeAll, describe, expect, test } from "@jest/globals";
import "@tensorflow/tfjs-backend-cpu";
import {
  add,
  concat,
  enableProdMode,
  mul,
  randomNormal,
  setBackend,
  slice,
  tensor,
  type Tensor,
} from "@tensorflow/tfjs-core";
import { UNSHARDED } from "@tessera/mesh";
import { fromForward } from "./autodiff.js";
import { compareSlopes, compareWithAutodiff, countLeaks } from "./laws.js";
import { noTensorParallel } from "./parallel.js";
import { sampleParameters } from "./sample.js";
import {
  dropout,
  evalContext,
  gelu,
  identity,
  layerNorm,
  linear,
  mlp,
  parallel,
  recompute,
  residual,
  rmsNorm,
  rows,
  saveInput,
  selfAttention,
  sequence,
  stack,
  swiglu,
  tokenEmbedding,
  type AnyLayer,
  type ForwardContext,
} from "./index.js";
import { projections } from "./lora.js";
import { disposeTree, leaves, materialize, vector, type ParamSpec } from "@tessera/params";

const WIDTH = 6;
const training = { ...evalContext, training: true, rows: 8, firstRow: 3, seed: 5 };

const heads = { width: WIDTH, heads: 3, std: 0.5, outputStd: 0.5 };
const llama = { base: 10_000, fraction: 1, pairs: "halves" } as const;
const gptj = { base: 10_000, fraction: 2 / 3, pairs: "neighbours" } as const;
const ffn = { width: WIDTH, ffnWidth: 10, std: 0.5, outputStd: 0.5 };
const lora = { rank: 2, scale: 0.5, dropout: 0, targets: projections };
const square = { inFeatures: WIDTH, outFeatures: WIDTH, std: 0.5 };

/** A user-defined scale layer whose backward comes from autodiff. */
const scale = fromForward<{ gain: Tensor }>({ gain: vector([WIDTH], null, 1.5) }, ({ gain }, x) =>
  mul(x, gain),
);

/** Every layer. A new layer is one more row. */
const layers = {
  identity,
  linear: linear(square),
  "linear to several dimensions": sequence(["wide", linear({ ...square, outFeatures: [2, 4] })]),
  layerNorm: layerNorm(WIDTH),
  "gelu, tanh": gelu(),
  "gelu, erf": gelu("erf"),
  swiglu: sequence(["wide", linear({ ...square, outFeatures: 2 * WIDTH })], ["swiglu", swiglu()]),
  "linear without a bias": linear({ ...square, bias: false }),
  rmsNorm: rmsNorm(WIDTH),
  dropout: dropout(0.4, UNSHARDED),
  selfAttention: selfAttention(heads),
  "selfAttention with one KV head": selfAttention({ ...heads, kvHeads: 1 }),
  "selfAttention with dropout": selfAttention({ ...heads, dropout: 0.3 }),
  "selfAttention with rotary position embedding": selfAttention({
    ...heads,
    kvHeads: 1,
    rotary: llama,
  }),
  "selfAttention with partial rotary position embedding, as GPT-J": selfAttention({
    ...heads,
    heads: 1,
    bias: false,
    rotary: gptj,
  }),
  "selfAttention with normalized queries and keys": selfAttention({
    ...heads,
    kvHeads: 1,
    headSize: 6,
    bias: "qkv",
    rotary: llama,
    normEpsilon: 1e-3,
  }),
  "selfAttention with LoRA": selfAttention({ ...heads, kvHeads: 1, lora }),
  "selfAttention with LoRA of values alone, and dropout": selfAttention({
    ...heads,
    lora: { ...lora, dropout: 0.4, targets: ["value"] },
  }),
  mlp: mlp(ffn),
  "mlp with LoRA and dropout": mlp({ ...ffn, lora: { ...lora, dropout: 0.4 } }),
  "mlp with SwiGLU and LoRA": mlp({ ...ffn, activation: "swiglu", lora }),
  "mlp with SwiGLU and no biases": mlp({ ...ffn, ffnWidth: 5, activation: "swiglu", bias: false }),
  parallel: parallel({ heads: selfAttention(heads), feed: mlp(ffn) }),
  saveInput: saveInput(gelu(), linear(square)),
  residual: residual(linear(square)),
  sequence: sequence(
    ["norm", layerNorm(WIDTH)],
    ["linear", linear(square)],
    ["drop", dropout(0.5, UNSHARDED)],
  ),
  recompute: recompute(sequence(["norm", layerNorm<"replicated">(WIDTH)], ["mlp", mlp(ffn)])),
  stack: stack({ first: linear(square), second: residual(linear(square)) }),
  fromForward: scale,
};
const table: [name: string, layer: AnyLayer][] = Object.entries(layers);

const input = (): Tensor => randomNormal([2, 5, WIDTH], 0, 1, "float32", 21);

beforeAll(async () => {
  enableProdMode(); // no advice to install another backend
  await setBackend("cpu");
});

/** Several documents in each row of `input`. */
const packedContext = (): ForwardContext => {
  const rows = [
    [0, 0, 2, 2, 4],
    [0, 1, 1, 1, 1],
  ];
  return { ...training, starts: tensor(rows, [2, 5], "int32") };
};

const rowsOfTable = table.map(([name, layer]) => [name, layer, () => training] as const);

describe.each([
  ...rowsOfTable,
  ["selfAttention within documents", selfAttention(heads), packedContext],
] as const)("%s", (_name, layer, makeContext) => {
  test("backward is the slope of forward along random directions", () => {
    const slopes = compareSlopes(layer, sampleParameters(layer.spec), input(), makeContext());
    expect(slopes).not.toHaveLength(0);
    for (const { numerical, analytic } of slopes) {
      expect(Math.abs(numerical - analytic) / (1 + Math.abs(analytic))).toBeLessThan(2e-3);
    }
  });

  test("backward is what tfjs derives from forward", () => {
    const errors = compareWithAutodiff(layer, sampleParameters(layer.spec), input(), makeContext());
    expect(errors).not.toHaveLength(0);
    for (const { error } of errors) expect(error).toBeLessThan(1e-5);
  });

  test("nothing leaks", () => {
    const ctx = makeContext();
    expect(countLeaks(layer, sampleParameters(layer.spec), input(), ctx)).toBe(0);
  });
});

/** The least degree above 1 that shards a parameter; 1 where none does. A single unit is on one rank, or replicated. */
const shardingDegree = ({ partition }: ParamSpec): number =>
  [2, 3, 5, 7].find((ranks) => (partition?.units ?? 2) % ranks === 0) ??
  (partition?.rule === "even" ? 1 : 2);

const withParameters = table.filter(([, layer]) => leaves(layer.spec).length > 0);

test.each(withParameters)(
  "%s: shards of its parameters are slices of the full ones",
  (_name, layer) => {
    const full = new Map(leaves<Tensor>(materialize(layer.spec, 9)));
    const compared = leaves<ParamSpec>(layer.spec).map(([path, spec]) => {
      const count = shardingDegree(spec);
      const shards = Array.from({ length: count }, (_, index) => {
        return materialize<Record<string, Tensor>>({ [path]: spec }, 9, { index, count })[path]!;
      });
      const expected = full.get(path)!;
      const isReplicated = shards[0]!.size === expected.size;
      expect(isReplicated).toBe(spec.partition === null || spec.partition.units === 1);
      const unsharded = isReplicated ? shards : [concat(shards, spec.partition!.dim)];
      for (const values of unsharded) expect(values.dataSync()).toEqual(expected.dataSync());
      return path;
    });
    expect(new Set(compared)).toEqual(new Set(full.keys()));
  },
);

test("the table has parameters of either partition rule, and replicated ones", () => {
  const specs = table.flatMap(([, layer]) => leaves<ParamSpec>(layer.spec).map(([, spec]) => spec));
  const rules = specs
    .filter((spec) => shardingDegree(spec) > 1)
    .map(({ partition }) => partition?.rule ?? "none");
  expect(new Set(rules)).toEqual(new Set(["even", "replicated", "none"]));
});

test("dropout depends on the global row, not on how rows are sharded", () => {
  const layer: AnyLayer = dropout(0.5, UNSHARDED);
  const x = randomNormal([8, 3, 4], 0, 1, "float32", 22);
  const ctx = { ...training, firstRow: 0 };
  const [full] = layer.forward({}, x, ctx);
  const halves = [0, 4].map((firstRow) => {
    const half = tensor(x.dataSync().slice(firstRow * 12, (firstRow + 4) * 12), [4, 3, 4]);
    return layer.forward({}, half, { ...ctx, firstRow })[0];
  });
  expect(concat(halves).dataSync()).toEqual(full.dataSync());
  const other = layer.forward({}, x, { ...ctx, step: 1 })[0];
  expect(other.dataSync()).not.toEqual(full.dataSync());
  expect(layer.forward({}, x, { ...ctx, training: false })[0].dataSync()).toEqual(x.dataSync());
});

test("row-parallel products add up to the full one, with one bias", () => {
  const options = { inFeatures: 4, outFeatures: 3, std: 1, split: rows("ffn") };
  const x = randomNormal([1, 2, 4], 0, 1, "float32", 23);
  const full: AnyLayer = linear(options);
  const params = sampleParameters(full.spec) as { weight: Tensor; bias: Tensor };
  const [expected] = full.forward(params, x, evalContext);
  const [first, second] = [0, 1].map((index) => {
    const layer: AnyLayer = linear({ ...options, shard: { index, count: 2 } });
    const weight = tensor(params.weight.dataSync().slice(index * 6, index * 6 + 6), [2, 3]);
    const columns = slice(x, [0, 0, index * 2], [1, 2, 2]);
    return layer.forward({ weight, bias: params.bias }, columns, evalContext)[0];
  });
  const total = add(first!, second!).dataSync();
  expected.dataSync().forEach((value, i) => expect(total[i]).toBeCloseTo(value, 5));
  disposeTree(params);
});

test.each<[make: () => unknown, said: string]>([
  [() => selfAttention({ ...heads, heads: 4 }), "4 heads do not divide a width of 6"],
  [
    () => selfAttention({ ...heads, kvHeads: 2 }),
    "2 KV heads do not divide a number of heads of 3",
  ],
  [
    () => mlp({ ...ffn, ffnWidth: 2.5 }),
    "a width of a linear layer is 2.5, but must be a whole number of at least 1",
  ],
  [
    () => tokenEmbedding({ vocabulary: 0, width: WIDTH, std: 1 }),
    "the vocabulary is 0, but must be a whole number of at least 1",
  ],
  [
    () => noTensorParallel.lmHead({ vocabulary: 8, width: NaN, std: 1 }),
    "the width of an LM head is NaN, but must be a whole number of at least 1",
  ],
])("sizes that do not fit are refused before there are tensors: %s", (make, said) => {
  expect(make).toThrow(new RangeError(said));
});
