// A GPT as an ONNX graph, in operators of the standard alone. Its cache of keys and values has room for
// `capacity` tokens per row; the graph writes new ones behind the `past_lengths` that a row holds, in place
// where the caller gives a cache's memory as output too. Rows may have different lengths.
//   B rows, T new tokens, C hidden, H heads, G key heads, D depth, S capacity, V vocabulary

import type { GptConfig } from "@tessera/gpt";
import type { ElementType, GraphBuilder } from "./graph.js";

export type Precision = "fp32" | "fp16";

export const elementType = (precision: Precision): ElementType =>
  precision === "fp32" ? "float" : "float16";

/** Names of the graph's inputs and outputs. */
export const NAMES = {
  ids: "input_ids",
  lengths: "past_lengths",
  keep: "num_logits_to_keep",
  logits: "logits",
  past: (layer: number, part: "key" | "value") => `past_key_values.${layer}.${part}`,
  present: (layer: number, part: "key" | "value") => `present.${layer}.${part}`,
} as const;

/** The initializers: a parameter by its path, and the tables of rotary positions. */
export type Weights = (path: string, shape: readonly number[]) => string;

export interface Making {
  readonly graph: GraphBuilder;
  readonly config: GptConfig;
  readonly precision: Precision;
  readonly weight: Weights;
}

/** What all blocks use. */
interface Common {
  /** Of each new token: [B, T]. */
  readonly positions: string;
  /** Which slots of the cache a new token sees: [B, 1, T, S]. */
  readonly mask: string;
  readonly headShape: string;
  readonly keyShape: string;
  readonly flatShape: string;
}

/** [B, T, heads, D] <-> [B, heads, T, D] */
const SWAPPED = { perm: [0, 2, 1, 3] };

/** Fills `graph` with the whole model. */
export function makeGptGraph(making: Making): void {
  const { graph, config, precision } = making;
  const type = elementType(precision);
  const ids = graph.input(NAMES.ids, "int64", ["batch", "time"]);
  graph.input(NAMES.lengths, "int64", ["batch"]);
  graph.input(NAMES.keep, "int64", []);
  const depth = config.hiddenSize / config.headCount;
  const cache = ["batch", config.keyHeadCount, "capacity", depth];
  for (let layer = 0; layer < config.layerCount; layer += 1) {
    for (const part of ["key", "value"] as const) {
      graph.input(NAMES.past(layer, part), type, cache);
      graph.output(NAMES.present(layer, part), type, cache);
    }
  }
  graph.output(NAMES.logits, "float", ["batch", "kept", config.vocabularySize]);
  const common = makeCommon(making, ids);
  let x = embed(making, ids, common);
  for (let layer = 0; layer < config.layerCount; layer += 1) x = block(making, common, x, layer);
  head(making, x);
}

function makeCommon({ graph, config }: Making, ids: string): Common {
  const zero = graph.constant("zero", [0n], true);
  const one = graph.constant("one", [1n], true);
  const range = (of: string, axis: number, name: string): string => {
    const shape = graph.node("Shape", [of], `${name}.shape`);
    const extent = graph.node("Gather", [shape, graph.constant(`${name}.axis`, [BigInt(axis)], true)], name);
    return graph.node("Range", [zero, extent, one], `${name}.range`);
  };
  const last = graph.constant("last", [-1n]);
  const column = graph.node("Unsqueeze", [NAMES.lengths, last], "past_lengths.column");
  const positions = graph.node("Add", [column, range(ids, 1, "time")], "positions");
  const places = graph.node("Unsqueeze", [positions, graph.constant("places.axes", [1n, -1n])], "places");
  const slots = range(NAMES.past(0, "key"), 2, "capacity");
  const mask = graph.node("LessOrEqual", [slots, places], "mask");
  const depth = BigInt(config.hiddenSize / config.headCount);
  return {
    positions,
    mask,
    headShape: graph.constant("heads", [0n, 0n, BigInt(config.headCount), depth]),
    keyShape: graph.constant("key_heads", [0n, 0n, BigInt(config.keyHeadCount), depth]),
    flatShape: graph.constant("flat", [0n, 0n, -1n]),
  };
}

/** [B, T, C] */
function embed({ graph, config, weight }: Making, ids: string, { positions }: Common): string {
  const table = weight("embedding.token", [config.vocabularySize, config.hiddenSize]);
  const rows = graph.node("Gather", [table, ids], "embedding");
  if (config.positions.kind !== "learned") return rows;
  const places = weight("embedding.position", [config.maxPositions, config.hiddenSize]);
  const placed = graph.node("Gather", [places, positions], "embedding.positions");
  return graph.node("Add", [rows, placed], "embedding.sum");
}

/** [B, T, C] -> [B, T, C] */
function block(making: Making, common: Common, x: string, layer: number): string {
  const { graph, config } = making;
  const path = `blocks.${layer}`;
  if (config.parallelBlock) {
    const h = norm(making, x, `${path}.norm`);
    const attended = attention(making, common, h, { layer, path: `${path}.both.heads` });
    const fed = mlp(making, h, `${path}.both.feed`);
    const both = graph.node("Add", [attended, fed], `${path}.both`);
    return graph.node("Add", [x, both], path);
  }
  const h = norm(making, x, `${path}.attention.norm`);
  const attended = attention(making, common, h, { layer, path: `${path}.attention.heads` });
  const y = graph.node("Add", [x, attended], `${path}.attention`);
  const fed = mlp(making, norm(making, y, `${path}.mlp.norm`), `${path}.mlp.feed`);
  return graph.node("Add", [y, fed], path);
}

function norm({ graph, config, weight }: Making, x: string, path: string): string {
  const width = [config.hiddenSize];
  const settings = { axis: -1, epsilon: { float: config.normEpsilon } };
  const gain = weight(`${path}.gain`, width);
  if (config.norm === "rms") return graph.node("RMSNormalization", [x, gain], path, settings);
  const inputs = [x, gain, weight(`${path}.bias`, width)];
  return graph.node("LayerNormalization", inputs, path, settings);
}

interface Sizes {
  readonly from: number;
  readonly to: number;
  readonly bias: boolean;
}

function linear({ graph, weight }: Making, x: string, path: string, { from, to, bias }: Sizes) {
  const product = graph.node("MatMul", [x, weight(`${path}.weight`, [from, to])], `${path}.product`);
  return bias ? graph.node("Add", [product, weight(`${path}.bias`, [to])], path) : product;
}

function attention(
  making: Making,
  common: Common,
  x: string,
  { layer, path }: { readonly layer: number; readonly path: string },
): string {
  const { graph, config } = making;
  const { hiddenSize: width, headCount, keyHeadCount } = config;
  const depth = width / headCount;
  const bias = config.biases.attention;
  const perHead = (flat: string, shape: string): string => {
    const heads = graph.node("Reshape", [flat, shape], `${flat}.heads`);
    return graph.node("Transpose", [heads], `${flat}.perHead`, SWAPPED);
  };
  const q = linear(making, x, `${path}.query`, { from: width, to: width, bias });
  const sizes = { from: width, to: 2 * keyHeadCount * depth, bias };
  const [key, value] = [`${path}.key`, `${path}.value`] as const;
  graph.split("Split", [linear(making, x, `${path}.keyValue`, sizes)], [key, value], -1);
  const query = turned(making, common, perHead(q, common.headShape));
  const newKey = turned(making, common, perHead(key, common.keyShape));
  const newValue = perHead(value, common.keyShape);
  const extended = (part: "key" | "value", added: string): string =>
    graph.node(
      "TensorScatter",
      [NAMES.past(layer, part), added, NAMES.lengths],
      NAMES.present(layer, part),
      { axis: 2 },
    );
  const [keys, values] = [extended("key", newKey), extended("value", newValue)];
  const y = graph.node("Attention", [query, keys, values, common.mask], `${path}.attended`, {
    scale: { float: 1 / Math.sqrt(depth) },
  });
  const merged = graph.node("Transpose", [y], `${path}.perToken`, SWAPPED);
  const flat = graph.node("Reshape", [merged, common.flatShape], `${path}.merged`);
  return linear(making, flat, `${path}.output`, { from: width, to: width, bias });
}

/** Queries or keys [B, heads, T, D], turned by their positions where the model does that. */
function turned({ graph, config, weight }: Making, { positions }: Common, x: string): string {
  if (config.positions.kind !== "rotary") return x;
  const dims = rotaryDims(config);
  const tables = (["cosine", "sine"] as const).map((name) =>
    weight(`rotary.${name}`, [config.maxPositions, dims / 2]),
  );
  return graph.node("RotaryEmbedding", [x, ...tables, positions], `${x}.turned`, {
    interleaved: config.positions.pairs === "neighbours" ? 1 : 0,
    rotary_embedding_dim: dims,
  });
}

/** How many elements of each head turn. */
export function rotaryDims({ positions, hiddenSize, headCount }: GptConfig): number {
  if (positions.kind !== "rotary") return 0;
  return 2 * Math.round(((hiddenSize / headCount) * positions.share) / 2);
}

function mlp(making: Making, x: string, path: string): string {
  const { graph, config } = making;
  const { hiddenSize: width, innerSize: inner, activation } = config;
  const bias = config.biases.mlp;
  const isGated = activation === "swiglu";
  const up = linear(making, x, `${path}.up`, { from: width, to: isGated ? 2 * inner : inner, bias });
  const active = isGated
    ? gated(graph, up, path)
    : graph.node("Gelu", [up], `${path}.gelu`, { approximate: "tanh" });
  return linear(making, active, `${path}.down`, { from: inner, to: width, bias });
}

/** silu(gate) up of [gate, up]. */
function gated(graph: GraphBuilder, both: string, path: string): string {
  const [gate, up] = [`${path}.gate`, `${path}.gated`] as const;
  graph.split("Split", [both], [gate, up], -1);
  const share = graph.node("Sigmoid", [gate], `${path}.sigmoid`);
  const silu = graph.node("Mul", [gate, share], `${path}.silu`);
  return graph.node("Mul", [silu, up], `${path}.swiglu`);
}

/** The logits of the last tokens, as many as are asked for; of all where 0 are. */
function head(making: Making, x: string): void {
  const { graph, config, weight, precision } = making;
  const { vocabularySize: vocabulary, hiddenSize: width } = config;
  const axis = graph.constant("kept.axis", [1n]);
  const first = graph.constant("kept.first", [0n]);
  const end = graph.constant("kept.end", [BigInt(Number.MAX_SAFE_INTEGER)]);
  const negative = graph.node("Neg", [NAMES.keep], "kept.negative");
  const start = graph.node("Unsqueeze", [negative, first], "kept.start");
  const kept = graph.node("Slice", [x, start, end, axis], "kept");
  const normed = norm(making, kept, "norm");
  const rows = graph.node("Reshape", [normed, graph.constant("rows", [-1n, BigInt(width)])], "kept.rows");
  const path = config.tiedEmbeddings ? "embedding.token" : "head.table";
  const inputs = [rows, weight(path, [vocabulary, width])];
  if (config.biases.head) inputs.push(weight("head.bias", [vocabulary]));
  const product = graph.node("Gemm", inputs, "logits.rows", { transB: 1 });
  const wide = precision === "fp32" ? product : graph.node("Cast", [product], "logits.wide", { to: 1 });
  const before = graph.node("Shape", [kept], "kept.shape", { end: 2 });
  const last = graph.constant("logits.last", [-1n]);
  const shape = graph.node("Concat", [before, last], "logits.shape", { axis: 0 });
  graph.node("Reshape", [wide, shape], NAMES.logits);
}
