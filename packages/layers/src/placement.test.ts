// Layers are across ranks what their types say; and what only says so is found.

import "@tensorflow/tfjs-backend-cpu";
import { beforeAll, expect, test } from "@jest/globals";
import {
  enableProdMode,
  memory,
  mul,
  randomNormal,
  setBackend,
  type Tensor,
} from "@tensorflow/tfjs-core";
import { UNSHARDED, type ShardIndex } from "@tessera/mesh";
import type { Tree } from "@tessera/params";
import type { Placement } from "@tessera/params/placement";
import { checkPlacement, type PlacedLayer } from "./laws.js";
import {
  columns,
  defineLayer,
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
  swiglu,
  type Layer,
  type NoParams,
} from "./index.js";
import { projections } from "./lora.js";

const WIDTH = 8;
const ctx = { ...evalContext, training: true, rows: 8, firstRow: 3, seed: 5 };
const square = { inFeatures: WIDTH, outFeatures: WIDTH, std: 0.5 };
const heads = { width: WIDTH, heads: 4, std: 0.5, outputStd: 0.5 };
const ffn = { width: WIDTH, ffnWidth: 12, std: 0.5, outputStd: 0.5 };
const lora = { rank: 3, scale: 0.5, dropout: 0.3, targets: projections };
type Shard = ShardIndex<never>;

beforeAll(async () => {
  enableProdMode(); // no advice to install another backend
  await setBackend("cpu");
});

function misplaced<P extends Tree, S extends Tree, In extends Placement, Out extends Placement>(
  layerOf: (shard: Shard) => Layer<P, S, In, Out>,
  ends: Pick<PlacedLayer<P, S, In, Out>, "in" | "out" | "parts">,
): readonly string[] {
  const x = randomNormal([2, 4, WIDTH * (ends.parts?.x ?? 1)], 0, 1, "float32", 21);
  const before = memory().numTensors;
  const found = checkPlacement({ layerOf, ctx, x, ...ends });
  expect(memory().numTensors).toBe(before);
  x.dispose();
  return found;
}

const region = { in: "replicated", out: "partial" } as const;
const SHARDED = { in: "sharded:ffn", out: "sharded:ffn" } as const;

test.each<[name: string, find: () => readonly string[]]>([
  [
    "columns",
    () =>
      misplaced((shard) => linear({ ...square, split: columns("ffn"), shard }), {
        in: "replicated",
        out: "sharded:ffn",
      }),
  ],
  [
    "columns of a fused pair",
    () =>
      misplaced(
        (shard) => linear({ ...square, outFeatures: [2, WIDTH], split: columns("ffn"), shard }),
        { in: "replicated", out: "sharded:ffn", parts: { y: 2 } },
      ),
  ],
  [
    "rows",
    () =>
      misplaced((shard) => linear({ ...square, split: rows("ffn"), shard }), {
        in: "sharded:ffn",
        out: "partial",
      }),
  ],
  [
    "a whole linear layer in a region",
    () => misplaced(() => linear<"replicated">(square), { in: "replicated", out: "replicated" }),
  ],
  [
    "a product of terms",
    () =>
      misplaced(() => linear<"partial">({ ...square, bias: false }), {
        in: "partial",
        out: "partial",
      }),
  ],
  ["gelu of a shard", () => misplaced(() => gelu<"sharded:ffn">(), SHARDED)],
  [
    "swiglu of a shard",
    () => misplaced(() => swiglu<"sharded:ffn">(), { ...SHARDED, parts: { x: 2 } }),
  ],
  [
    "saveInput",
    () =>
      misplaced(
        (shard) =>
          saveInput(gelu<"sharded:ffn">(), linear({ ...square, split: rows("ffn"), shard })),
        { in: "sharded:ffn", out: "partial" },
      ),
  ],
  [
    "mlp with LoRA and dropout",
    () => misplaced((shard) => mlp({ ...ffn, activation: "swiglu", lora, shard }), region),
  ],
  [
    "selfAttention with LoRA, and fewer KV heads",
    () => misplaced((shard) => selfAttention({ ...heads, kvHeads: 2, lora, shard }), region),
  ],
  ["mlp", () => misplaced((shard) => mlp({ ...ffn, shard }), region)],
  [
    "gated mlp",
    () => misplaced((shard) => mlp({ ...ffn, activation: "swiglu", bias: false, shard }), region),
  ],
  [
    "selfAttention",
    () => misplaced((shard) => selfAttention({ ...heads, dropout: 0.3, shard }), region),
  ],
  [
    "selfAttention with fewer KV heads",
    () => misplaced((shard) => selfAttention({ ...heads, kvHeads: 2, shard }), region),
  ],
  [
    "parallel",
    () =>
      misplaced(
        (shard) =>
          parallel({ heads: selfAttention({ ...heads, shard }), feed: mlp({ ...ffn, shard }) }),
        region,
      ),
  ],
  ["recompute", () => misplaced((shard) => recompute(mlp({ ...ffn, shard })), region)],
])("inside of regions, each rank has its part: %s", (_name, find) => {
  expect(find()).toEqual([]);
});

/** Layers outside of regions, for a shard of the tokens. */
const outside = {
  identity: () => identity,
  layerNorm: () => layerNorm(WIDTH),
  rmsNorm: () => rmsNorm(WIDTH),
  linear: () => linear(square),
  gelu: () => gelu(),
  dropout: (shard: Shard) => dropout(0.4, shard),
  residual: () => residual(linear(square)),
  sequence: (shard: Shard) =>
    sequence(["norm", rmsNorm(WIDTH)], ["linear", linear(square)], ["drop", dropout(0.4, shard)]),
};

test.each(Object.entries(outside))(
  "outside, ranks have all tokens or their shard: %s",
  (_name, layerOf) => {
    const of = layerOf;
    expect(misplaced(of, { in: "sharded:tokens", out: "sharded:tokens" })).toEqual([]);
    expect(misplaced(() => of(UNSHARDED), { in: "invariant", out: "invariant" })).toEqual([]);
  },
);

/** Multiplies by `factor`. */
const scaled = <In extends Placement, Out extends Placement>(
  factor: number,
): Layer<NoParams, NoParams, In, Out> =>
  defineLayer({
    spec: {},
    forward: (_params, x): [Tensor, NoParams] => [mul(x, factor), {}],
    backward: (_params, _saved, dy) => mul(dy, factor),
  });

test.each<[claim: string, find: () => readonly string[], said: RegExp]>([
  [
    "a bias that every rank adds",
    () => misplaced(() => linear<"partial">(square), { in: "partial", out: "partial" }),
    /^y is not partial: the sum is off by/,
  ],
  [
    "a sum of whole values",
    () => misplaced(() => scaled<"replicated", "partial">(1), region),
    /^y is not partial/,
  ],
  [
    "a mean where a sum is needed",
    () =>
      misplaced(({ count }) => scaled<"partial", "partial">(1 / count), {
        in: "partial",
        out: "partial",
      }),
    /^y is not partial/,
  ],
  [
    "a mask of the first tokens on every rank",
    () => misplaced(() => dropout(0.4, UNSHARDED), { in: "sharded:tokens", out: "sharded:tokens" }),
    /^y is not sharded:tokens/,
  ],
  [
    "a gradient that every rank has whole",
    () =>
      misplaced(
        ({ count }) =>
          defineLayer<NoParams, NoParams, "replicated", "partial">({
            spec: {},
            forward: (_params, x) => [mul(x, 1 / count), {}],
            backward: (_params, _saved, dy): Tensor => mul(dy, 1),
          }),
        region,
      ),
    /^dx is not partial: the sum is off by/,
  ],
])("a claim that is not true is found: %s", (_claim, find, said) => {
  expect(find()[0]).toMatch(said);
});
