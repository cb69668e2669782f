// What the tests run each kernel on: shapes that are odd, of one row, and empty where that is legal.

import type { Shape } from "../kernel.js";
import { attention, continued } from "./attention_cases.js";
import { key, type Case, type CaseInput, type Values } from "./case.js";

const rows: readonly Shape[] = [
  [5, 7],
  [1, 33],
  [2, 3, 130],
  [0, 4],
  [70, 300],
];

const product = (kernel: string, n: number, k: number, m: number): Case[] => [
  {
    kernel: "TesseraLinear",
    inputs: { x: [[n, k]], weight: [[k, m]], bias: [[m]] },
  },
  { kernel, inputs: { x: [[n, k]], weight: [[k, m]] }, attributes: { transpose: false } },
  { kernel, inputs: { x: [[n, k]], weight: [[m, k]] }, attributes: { transpose: true } },
  { kernel: "TesseraWeightGradient", inputs: { x: [[n, k]], dy: [[n, m]] } },
  { kernel: "TesseraAddWeightGradient", inputs: { sum: [[k, m]], x: [[n, k]], dy: [[n, m]] } },
];

const norm = (shape: Shape): Case[] => {
  const width = [shape.at(-1)!];
  const tokens: Shape = [shape.slice(0, -1).reduce((a, b) => a * b, 1), 1];
  return [
    {
      kernel: "TesseraLayerNorm",
      inputs: { x: [shape], gain: [width], bias: [width] },
      attributes: { epsilon: 1e-5 },
    },
    {
      kernel: "TesseraLayerNormGradient",
      inputs: {
        x: [shape],
        gain: [width],
        mean: [tokens],
        rstd: [tokens, "positive"],
        dy: [shape],
      },
    },
  ];
};

const rms = (shape: Shape): Case[] => {
  const gain: Shape = [shape.at(-1)!];
  const tokens: Shape = [shape.slice(0, -1).reduce((a, b) => a * b, 1), 1];
  return [
    {
      kernel: "TesseraRmsNorm",
      inputs: { x: [shape], gain: [gain] },
      attributes: { epsilon: 1e-5 },
    },
    {
      kernel: "TesseraRmsNormGradient",
      inputs: { x: [shape], gain: [gain], rstd: [tokens, "positive"], dy: [shape] },
    },
  ];
};

/** Some heads turn, by some of their elements. */
const turned = (shape: Shape, heads: number, dims: number): Case[] =>
  (["halves", "neighbours"] as const).flatMap((pairs) =>
    [true, false].map((inverse) => ({
      kernel: "TesseraRotary",
      inputs: { x: [shape] },
      // Each row from a place of its own, or all from one.
      attributes: {
        frequencies: Array.from({ length: dims / 2 }, (_, i) => 1 / 10_000 ** ((2 * i) / dims)),
        magnitude: inverse ? 1 : 1.25,
        pairs,
        heads,
        starts: inverse ? [3] : Array.from({ length: shape[0]! }, (_, b) => 3 + 50 * b),
        inverse,
      },
    })),
  );

/** Rows of two halves. */
const gated = (rows: number, width: number): Case[] => [
  { kernel: "TesseraSwiglu", inputs: { x: [[rows, 2 * width]] } },
  { kernel: "TesseraSwigluGradient", inputs: { x: [[rows, 2 * width]], dy: [[rows, width]] } },
];

const elementwise = (shape: Shape): Case[] => [
  ...(["tanh", "erf"] as const).flatMap((form): Case[] => [
    { kernel: "TesseraGelu", inputs: { x: [shape] }, attributes: { form } },
    { kernel: "TesseraGeluGradient", inputs: { x: [shape], dy: [shape] }, attributes: { form } },
  ]),
  { kernel: "TesseraSilu", inputs: { x: [shape] } },
  { kernel: "TesseraSiluGradient", inputs: { x: [shape], dy: [shape] } },
  { kernel: "TesseraConvert", inputs: { x: [shape] }, attributes: { storage: "fp32" } },
  { kernel: "TesseraSumRows", inputs: { dy: [shape] } },
  { kernel: "TesseraAccumulate", inputs: { sum: [shape], gradient: [shape] } },
];

/** The table has `rows` of the vocabulary: all of it, or those from `firstToken` on. */
const lookup = (ids: Shape, rows: number, width: number, firstToken = 0): Case[] => {
  const vocabulary = firstToken === 0 ? rows : 2 * firstToken + rows;
  const shard = { firstToken, vocabulary };
  const [idsInput, dy] = [[ids, { below: vocabulary }], [[...ids, width]]] as const;
  return [
    {
      kernel: "TesseraEmbed",
      inputs: { table: [[rows, width]], ids: idsInput },
      attributes: shard,
    },
    {
      kernel: "TesseraEmbedGradient",
      inputs: { ids: idsInput, dy },
      attributes: { rows, ...shard },
    },
    {
      kernel: "TesseraAddEmbedGradient",
      inputs: { sum: [[rows, width]], ids: idsInput, dy },
      attributes: shard,
    },
  ];
};

const written = (whole: Shape, part: Shape, first: number): Case => ({
  kernel: "TesseraPut",
  inputs: { whole: [whole], part: [part] },
  attributes: { first },
});

const head = (tokens: Shape, width: number, vocabulary: number): Case[] => {
  const inputs = {
    x: [[...tokens, width]],
    table: [[vocabulary, width]],
    targets: [tokens, { below: vocabulary }],
    weights: [tokens, "weights"],
  } as const;
  const biased = { ...inputs, bias: [[vocabulary]] } as const;
  // Some chunks of tokens.
  const limit = { exponentialBytes: 4 * vocabulary * 50 };
  return [
    { kernel: "TesseraCrossEntropy", inputs },
    { kernel: "TesseraCrossEntropyGradient", inputs, attributes: limit },
    { kernel: "TesseraCrossEntropy", inputs: biased },
    { kernel: "TesseraCrossEntropyGradient", inputs: biased, attributes: limit },
    { kernel: "TesseraCrossEntropyInputGradient", inputs, attributes: limit },
    { kernel: "TesseraCrossEntropyInputGradient", inputs: biased, attributes: limit },
  ];
};

/** Targets among the table's rows, before and behind them. Small logits: e^x grows their rounding. */
const slice = (positions: number, width: number, rows: number, hasBias: boolean): Case[] => {
  const targets = [[positions], { below: 5 + 2 * rows }] as const;
  return [
    {
      kernel: "TesseraVocabularySlice",
      inputs: {
        x: [[positions, width], "weights"],
        table: [[rows, width], "weights"],
        targets,
        ...(hasBias && { bias: [[rows], "weights"] as const }),
      },
      attributes: { firstToken: 5 },
    },
    {
      kernel: "TesseraVocabularySliceGradient",
      inputs: {
        exps: [[positions, rows], "positive"],
        factors: [[positions], "positive"],
        targets,
        weights: [[positions], "weights"],
      },
      attributes: { firstToken: 5, storage: "fp32" },
    },
  ];
};

const slices = [
  { shape: [7, 11], start: [0, 0], size: [7, 11] },
  { shape: [9, 5000], start: [2, 0], size: [4, 5000] },
  { shape: [5, 6, 7], start: [1, 2, 3], size: [2, 3, 4] },
  { shape: [], start: [], size: [] },
];

const sampled: readonly Case[] = slices.flatMap((slice): Case[] => [
  {
    kernel: "TesseraRandomNormal",
    inputs: {},
    attributes: { ...slice, key, mean: 0.5, std: 0.02 },
  },
  {
    kernel: "TesseraDropout",
    inputs: { x: [slice.size] },
    attributes: { ...slice, key, rate: 0.3 },
  },
]);

const rule = {
  learningRate: 0.01,
  beta1: 0.9,
  beta2: 0.95,
  epsilon: 1e-8,
  step: 3,
};

/** Some tensors at once, each with a weight decay of its own. */
const optimizer = (shapes: readonly Shape[], scale: Values = "positive"): Case[] => {
  const list = (values: Values = "normal") => shapes.map((shape): CaseInput => [shape, values]);
  const inputs = { scale: [[], scale] } as const;
  const [params, gradients] = [list(), list()];
  const weightDecay = shapes.map((_shape, i) => 0.1 * i);
  return [
    ...[true, false].map((decoupled): Case => ({
      kernel: "TesseraAdamStep",
      inputs,
      lists: { params, gradients, means: list(), squares: list("positive") },
      attributes: { ...rule, weightDecay, decoupled },
    })),
    {
      kernel: "TesseraSgdStep",
      inputs,
      lists: { params, gradients, velocities: list() },
      attributes: { learningRate: 0.1, momentum: 0.9, weightDecay },
    },
  ];
};

const sums = (shapes: readonly Shape[]): Case[] => {
  const list = shapes.map((shape): CaseInput => [shape]);
  return [
    { kernel: "TesseraAccumulateAll", inputs: {}, lists: { sums: list, gradients: list } },
    { kernel: "TesseraSumOfSquares", inputs: {}, lists: { xs: list } },
  ];
};

/** Products with weights of each storage, and lookups in them. */
export const weightCases: readonly Case[] = (["fp32", "bf16", "fp16", "int8"] as const).flatMap(
  (storage) => [
    ...[
      ...product("TesseraProduct", 1, 128, 192),
      ...product("TesseraProduct", 7, 64, 576),
      ...product("TesseraProduct", 2, 130, 70),
      ...product("TesseraProduct", 40, 64, 70),
    ].flatMap((one): Case[] =>
      "weight" in one.inputs ? [{ ...one, stored: { weight: storage } }] : [],
    ),
    {
      kernel: "TesseraEmbed",
      inputs: { table: [[9, 70]], ids: [[2, 5], { below: 9 }] },
      attributes: { firstToken: 0, vocabulary: 9 },
      stored: { table: storage },
    },
  ],
);

/** Every kernel, on shapes that are odd, of one row, and empty where that is legal. */
export const cases: readonly Case[] = [
  ...product("TesseraProduct", 5, 7, 3),
  ...product("TesseraProduct", 1, 65, 130),
  ...product("TesseraProduct", 70, 48, 33),
  ...rows.flatMap(norm),
  ...rows.flatMap(rms),
  ...turned([2, 5, 3, 6], 3, 6),
  ...turned([2, 70, 4, 72], 2, 36),
  ...turned([1, 1, 1, 2], 1, 2),
  ...gated(5, 7),
  ...gated(1, 33),
  ...gated(70, 300),
  ...rows.flatMap(elementwise),
  ...lookup([2, 9], 5, 7),
  ...lookup([1], 3, 1),
  ...lookup([3, 17], 5, 7, 4),
  written([20], [3, 5], 4),
  written([3, 1000], [2, 3], 2994),
  written([4], [0], 4),
  ...head([2, 5], 7, 11),
  ...head([1], 16, 65),
  ...head([3, 40], 16, 150),
  ...slice(10, 9, 7, false),
  ...slice(120, 2, 150, true),
  ...attention({ batch: 2, time: 5, heads: 2, groups: 2, depth: 3, rate: 0 }),
  ...attention({ batch: 1, time: 65, heads: 4, groups: 2, depth: 16, rate: 0.2 }),
  ...attention({ batch: 1, time: 130, heads: 3, groups: 1, depth: 40, rate: 0 }),
  ...attention({ batch: 2, time: 5, heads: 2, groups: 1, depth: 3, rate: 0, window: 2 }),
  ...attention({ batch: 2, time: 200, heads: 2, groups: 1, depth: 16, rate: 0.2, window: 70 }),
  ...attention({ batch: 1, time: 300, heads: 2, groups: 2, depth: 8, rate: 0, window: 64 }),
  ...attention({ batch: 2, time: 1, heads: 1, groups: 1, depth: 64, rate: 0 }),
  continued({ time: 1, heads: 4, groups: 2, depth: 5 }, [7, 0, 130]),
  continued({ time: 11, heads: 3, groups: 3, depth: 64 }, [0, 33]),
  continued({ time: 4, heads: 2, groups: 1, depth: 40 }, [3]),
  continued({ time: 1, heads: 4, groups: 2, depth: 5, window: 20 }, [7, 0, 130]),
  continued({ time: 11, heads: 3, groups: 3, depth: 64, window: 5 }, [0, 33]),
  ...sampled,
  ...optimizer([[3, 5]]),
  ...optimizer([[2049], [0, 4], [70, 300], []]),
  ...optimizer([[5], [2]], "infinite"),
  ...sums([]),
  ...sums([[5, 7]]),
  ...sums([[1, 33], [0, 4], [70, 300], []]),
  { kernel: "TesseraRoundSum", inputs: { sum: [[80], "bytes"] } },
];
