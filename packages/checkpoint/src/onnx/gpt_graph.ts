// A GPT as an ONNX graph, in operators of the standard alone. The caller keeps the keys and values of the
// tokens that a row holds: the graph reads them from memory with room for `capacity` tokens per row, and
// gives those of the new tokens, which the caller puts behind. Rows may have different lengths.
//   B rows, T new tokens, S capacity, C hidden, H heads, G key heads, D depth

import type { GptConfig } from "@tessera/gpt";
import { attention, attentionInputs, type AttentionInputs } from "./attention_graph.js";
import type { ElementType, GraphBuilder } from "./graph.js";

export type CachePart = "key" | "value";

/** Names of the graph's inputs and outputs. */
export const NAMES = {
  /** New ids [B, T]. */
  ids: "input_ids",
  /** Tokens that each row holds [B]. */
  lengths: "past_lengths",
  /** Of how many of each row's last tokens logits are wanted. */
  keep: "num_logits_to_keep",
  /** [B, keep, vocabulary] (fp32). */
  logits: "logits",
  /** What rows hold [B, G, S, D]; behind `lengths` anything may stand but infinities and NaN. */
  past: (layer: number, part: CachePart) => `past_key_values.${layer}.${part}`,
  /** What new tokens add [B, G, T, D]. */
  added: (layer: number, part: CachePart) => `new_key_values.${layer}.${part}`,
} as const;

/** The graph under construction, and what it is made for. */
export interface Making {
  readonly graph: GraphBuilder;
  readonly config: GptConfig;
  readonly type: ElementType & ("float" | "float16");
  /** The name of an initializer: a parameter by its path, or a table of rotary positions. */
  readonly weight: (path: string, shape: readonly number[]) => string;
}

/** Fills `making.graph` with the whole model. */
export function makeGptGraph(making: Making): void {
  const { graph, config, type } = making;
  const { layerCount, kvHeadCount } = config;
  const ids = graph.input(NAMES.ids, "int64", ["batch", "time"]);
  graph.input(NAMES.lengths, "int64", ["batch"]);
  graph.input(NAMES.keep, "int64", []);
  graph.output(NAMES.logits, "float", ["batch", "kept", config.vocabularySize]);
  const depth = config.hiddenSize / config.headCount;
  for (let layer = 0; layer < layerCount; layer += 1) {
    for (const part of ["key", "value"] as const) {
      graph.input(NAMES.past(layer, part), type, ["batch", kvHeadCount, "capacity", depth]);
      graph.output(NAMES.added(layer, part), type, ["batch", kvHeadCount, "time", depth]);
    }
  }
  const inputs = attentionInputs(making);
  let x = embed(making, ids, inputs.positions);
  for (let layer = 0; layer < layerCount; layer += 1) x = block(making, inputs, x, layer);
  head(making, x);
}

/** [B, T, C] */
function embed({ graph, config, weight }: Making, ids: string, positions: string): string {
  const table = weight("embedding.token", [config.vocabularySize, config.hiddenSize]);
  const rows = graph.node("Gather", [table, ids], "embedding");
  if (config.positions.kind !== "learned") return rows;
  const places = weight("embedding.position", [config.maxPositions, config.hiddenSize]);
  const placed = graph.node("Gather", [places, positions], "embedding.placed");
  return graph.node("Add", [rows, placed], "embedding.sum");
}

/** [B, T, C] -> [B, T, C] */
function block(making: Making, inputs: AttentionInputs, x: string, layer: number): string {
  const { graph, config } = making;
  const path = `blocks.${layer}`;
  if (config.parallelBlock) {
    const h = norm(making, x, `${path}.norm`);
    const attended = attention(making, inputs, h, { layer, path: `${path}.both.heads` });
    const fed = mlp(making, h, `${path}.both.feed`);
    return graph.node("Add", [x, graph.node("Add", [attended, fed], `${path}.both`)], path);
  }
  const h = norm(making, x, `${path}.attention.norm`);
  const attended = attention(making, inputs, h, { layer, path: `${path}.attention.heads` });
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

export interface LinearSizes {
  readonly from: number;
  readonly to: number;
  readonly bias: boolean;
}

/** [..., from] -> [..., to] */
export function linear({ graph, weight }: Making, x: string, path: string, sizes: LinearSizes) {
  const { from, to, bias } = sizes;
  const product = graph.node(
    "MatMul",
    [x, weight(`${path}.weight`, [from, to])],
    `${path}.product`,
  );
  return bias ? graph.node("Add", [product, weight(`${path}.bias`, [to])], path) : product;
}

function mlp(making: Making, x: string, path: string): string {
  const { graph, config } = making;
  const { hiddenSize: width, ffnHiddenSize: inner, activation } = config;
  const bias = config.biases.mlp;
  const isGated = activation === "swiglu";
  const up = linear(making, x, `${path}.up`, {
    from: width,
    to: isGated ? 2 * inner : inner,
    bias,
  });
  const active = isGated
    ? gated(graph, up, path)
    : graph.node("Gelu", [up], `${path}.gelu`, { approximate: "tanh" });
  return linear(making, active, `${path}.down`, { from: inner, to: width, bias });
}

/** silu(gate) up of [gate, up]. */
function gated(graph: GraphBuilder, both: string, path: string): string {
  const [gate, up] = [`${path}.gate`, `${path}.gated`] as const;
  graph.several("Split", [both], [gate, up], { axis: -1, num_outputs: 2 });
  const share = graph.node("Sigmoid", [gate], `${path}.sigmoid`);
  const silu = graph.node("Mul", [gate, share], `${path}.silu`);
  return graph.node("Mul", [silu, up], `${path}.swiglu`);
}

/** The logits of the last tokens, as many as are asked for; of all where 0 are. */
function head(making: Making, x: string): void {
  const { graph, config, weight, type } = making;
  const { vocabularySize: vocabulary, hiddenSize: width } = config;
  const start = graph.node("Neg", [NAMES.keep], "kept.negative");
  const first = graph.node("Unsqueeze", [start, graph.constant("kept.axes", [0n])], "kept.start");
  const end = graph.constant("kept.end", [BigInt(Number.MAX_SAFE_INTEGER)]);
  const kept = graph.node("Slice", [x, first, end, graph.constant("kept.axis", [1n])], "kept");
  const normed = norm(making, kept, "norm");
  const rows = graph.node(
    "Reshape",
    [normed, graph.constant("rows", [-1n, BigInt(width)])],
    "rows.x",
  );
  const inputs = [
    rows,
    weight(config.tiedEmbeddings ? "embedding.token" : "head.table", [vocabulary, width]),
  ];
  if (config.biases.head) inputs.push(weight("head.bias", [vocabulary]));
  const product = graph.node("Gemm", inputs, "logits.rows", { transB: 1 });
  const wide = type === "float" ? product : graph.node("Cast", [product], "logits.wide", { to: 1 });
  const before = graph.node("Shape", [kept], "kept.shape", { end: 2 });
  const wanted = [before, graph.constant("logits.width", [BigInt(vocabulary)])];
  const shape = graph.node("Concat", wanted, "logits.shape", { axis: 0 });
  graph.node("Reshape", [wide, shape], NAMES.logits);
}
