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
import { fromForward } from "./autodiff.js";
import { autodiff, leaked, slopes } from "./laws.js";
import {
  dropout,
  gelu,
  identity,
  saveInput,
  layerNorm,
  linear,
  mlp,
  recompute,
  residual,
  rmsNorm,
  selfAttention,
  sequence,
  parallel,
  evalContext,
  swiglu,
  type ForwardContext,
  type AnyLayer,
} from "./index.js";
import {
  disposeTree,
  leaves,
  materialize,
  vector,
  type ParamSpec,
  type Tree,
  type TreeOf,
} from "@tessera/params";

const WIDTH = 6;
const training = { ...evalContext, training: true, rows: 8, firstRow: 3, seed: 5 };

const heads = { width: WIDTH, heads: 3, std: 0.5, outputStd: 0.5 };
const llama = { base: 10_000, fraction: 1, pairs: "halves" } as const;
const gptj = { base: 10_000, fraction: 2 / 3, pairs: "neighbours" } as const;
const feed = { width: WIDTH, ffnWidth: 10, std: 0.5, outputStd: 0.5 };
const square = { inFeatures: WIDTH, outFeatures: WIDTH, std: 0.5 };

/** A user-defined scale layer whose backward comes from autodiff. */
const scale = fromForward<{ gain: Tensor }>({ gain: vector([WIDTH], null, 1.5) }, ({ gain }, x) =>
  mul(x, gain),
);

/** Every layer stands here once. A new layer is one more row. */
const table: [name: string, layer: AnyLayer][] = [
  ["identity", identity],
  ["linear", linear(square)],
  ["linear to several dimensions", sequence({ wide: linear({ ...square, outFeatures: [2, 4] }) })],
  ["layerNorm", layerNorm(WIDTH)],
  ["gelu, tanh", gelu()],
  ["gelu, erf", gelu("erf")],
  ["swiglu", sequence({ wide: linear({ ...square, outFeatures: 2 * WIDTH }), swiglu: swiglu() })],
  ["linear without a bias", linear({ ...square, bias: false })],
  ["rmsNorm", rmsNorm(WIDTH)],
  ["dropout", dropout(0.4)],
  ["selfAttention", selfAttention(heads)],
  ["selfAttention with one key head", selfAttention({ ...heads, kvHeads: 1 })],
  ["selfAttention with dropout", selfAttention({ ...heads, dropout: 0.3 })],
  ["selfAttention with rotary positions", selfAttention({ ...heads, kvHeads: 1, rotary: llama })],
  [
    "selfAttention with some of them, as GPT-J",
    selfAttention({ ...heads, heads: 1, bias: false, rotary: gptj }),
  ],
  ["mlp", mlp(feed)],
  [
    "mlp of SwiGLU without biases",
    mlp({ ...feed, ffnWidth: 5, activation: "swiglu", bias: false }),
  ],
  ["sideBySide", parallel({ heads: selfAttention(heads), feed: mlp(feed) })],
  ["keepInput", saveInput(gelu(), linear(square))],
  ["residual", residual(linear(square))],
  ["sequence", sequence({ norm: layerNorm(WIDTH), linear: linear(square), drop: dropout(0.5) })],
  [
    "recompute",
    recompute(sequence({ norm: layerNorm(WIDTH), mlp: mlp(feed), drop: dropout(0.5) })),
  ],
  ["fromForward", scale],
];

const input = (): Tensor => randomNormal([2, 5, WIDTH], 0, 1, "float32", 21);

/** Parameters away from their initial ones and zeros, which hide mistakes. */
function parameters(spec: TreeOf<ParamSpec>): Tree {
  const moved = JSON.parse(JSON.stringify(spec)) as TreeOf<ParamSpec>;
  for (const [, leaf] of leaves<ParamSpec>(moved)) {
    Object.assign(leaf, { init: { kind: "normal", std: 0.5 } });
  }
  return materialize(moved, 17);
}

beforeAll(async () => {
  enableProdMode(); // no advice to install another backend
  await setBackend("cpu");
});

/** Documents in the rows of `input`. */
const packed = (): ForwardContext => {
  const rows = [
    [0, 0, 2, 2, 4],
    [0, 1, 1, 1, 1],
  ];
  return { ...training, starts: tensor(rows, [2, 5], "int32") };
};

const everywhere = table.map(([name, layer]) => [name, layer, () => training] as const);

describe.each([
  ...everywhere,
  ["selfAttention within documents", selfAttention(heads), packed],
] as const)("%s", (_name, layer, where) => {
  test("backward is the slope of forward along random directions", () => {
    const found = slopes(layer, parameters(layer.spec), input(), where());
    expect(found).not.toHaveLength(0);
    for (const { measured, told } of found) {
      expect(Math.abs(measured - told) / (1 + Math.abs(told))).toBeLessThan(2e-3);
    }
  });

  test("backward is what tfjs derives from forward", () => {
    const errors = autodiff(layer, parameters(layer.spec), input(), where());
    expect(errors).not.toHaveLength(0);
    for (const { error } of errors) expect(error).toBeLessThan(1e-5);
  });

  test("nothing leaks", () => {
    const ctx = where();
    expect(leaked(layer, parameters(layer.spec), input(), ctx)).toBe(0);
  });
});

/** The fewest ranks, at least two, over which a parameter can be sharded. One unit is on one rank, or on both. */
const sharers = ({ partition }: ParamSpec): number =>
  [2, 3, 5, 7].find((ranks) => (partition?.units ?? 2) % ranks === 0) ??
  (partition?.rule === "even" ? 1 : 2);

const withParameters = table.filter(([, layer]) => leaves(layer.spec).length > 0);

test.each(withParameters)(
  "%s: shards of its parameters are slices of the full ones",
  (_name, layer) => {
    const whole = new Map(leaves<Tensor>(materialize(layer.spec, 9)));
    const compared = leaves<ParamSpec>(layer.spec).map(([path, spec]) => {
      const count = sharers(spec);
      const shards = Array.from({ length: count }, (_, index) => {
        return materialize<Record<string, Tensor>>({ [path]: spec }, 9, { index, count })[path]!;
      });
      const expected = whole.get(path)!;
      const isWhole = shards[0]!.size === expected.size;
      expect(isWhole).toBe(spec.partition === null || spec.partition.units === 1);
      const joined = isWhole ? shards : [concat(shards, spec.partition!.dim)];
      for (const values of joined) expect(values.dataSync()).toEqual(expected.dataSync());
      return path;
    });
    expect(new Set(compared)).toEqual(new Set(whole.keys()));
  },
);

test("the table has parameters of either partition rule, and replicated ones", () => {
  const specs = table.flatMap(([, layer]) => leaves<ParamSpec>(layer.spec).map(([, spec]) => spec));
  const rules = specs
    .filter((spec) => sharers(spec) > 1)
    .map(({ partition }) => partition?.rule ?? "none");
  expect(new Set(rules)).toEqual(new Set(["even", "replicated", "none"]));
});

test("dropout depends on the global row, not on how rows are sharded", () => {
  const layer = dropout(0.5);
  const x = randomNormal([8, 3, 4], 0, 1, "float32", 22);
  const at = { ...training, firstRow: 0 };
  const [whole] = layer.forward({}, x, at);
  const halves = [0, 4].map((firstRow) => {
    const half = tensor(x.dataSync().slice(firstRow * 12, (firstRow + 4) * 12), [4, 3, 4]);
    return layer.forward({}, half, { ...at, firstRow })[0];
  });
  expect(concat(halves).dataSync()).toEqual(whole.dataSync());
  const other = layer.forward({}, x, { ...at, step: 1 })[0];
  expect(other.dataSync()).not.toEqual(whole.dataSync());
  expect(layer.forward({}, x, { ...at, training: false })[0].dataSync()).toEqual(x.dataSync());
});

test("row-parallel products add up to the full one, with one bias", () => {
  const options = { inFeatures: 4, outFeatures: 3, std: 1, partition: "rows" } as const;
  const x = randomNormal([1, 2, 4], 0, 1, "float32", 23);
  const whole = linear(options);
  const params = parameters(whole.spec) as { weight: Tensor; bias: Tensor };
  const [expected] = whole.forward(params, x, evalContext);
  const [first, second] = [0, 1].map((index) => {
    const layer = linear({ ...options, shard: { index, count: 2 } });
    const weight = tensor(params.weight.dataSync().slice(index * 6, index * 6 + 6), [2, 3]);
    const columns = slice(x, [0, 0, index * 2], [1, 2, 2]);
    return layer.forward({ weight, bias: params.bias }, columns, evalContext)[0];
  });
  const total = add(first!, second!).dataSync();
  expected.dataSync().forEach((value, i) => expect(total[i]).toBeCloseTo(value, 5));
  disposeTree(params);
});
