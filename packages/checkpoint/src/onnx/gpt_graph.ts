// A GPT as an ONNX graph, in standard operators. The caller holds the KV cache: the graph reads keys and values from
// buffers with a capacity of S tokens per row, and outputs those of the new tokens, which the caller appends. Rows may
// have different lengths.
//   B rows, T new tokens, S capacity, C hidden, H heads, G KV heads, D head size

import { attention, buildAttentionInputs, type AttentionInputs } from "./attention_graph.js";
import type { GraphBuilder } from "./graph.js";
import { linear, type GraphContext } from "./linear.js";
import { onnxNames } from "./names.js";

/** Adds the whole model to `context.graph`. */
export function buildGptGraph(context: GraphContext): void {
  const { graph, config, type } = context;
  const { layerCount, kvHeadCount, headSize: depth } = config;
  const ids = graph.input(onnxNames.ids, "int64", ["batch", "time"]);
  graph.input(onnxNames.lengths, "int64", ["batch"]);
  graph.input(onnxNames.keep, "int64", []);
  graph.output(onnxNames.logits, "float", ["batch", "kept", config.vocabularySize]);
  for (let layer = 0; layer < layerCount; layer += 1) {
    for (const part of ["key", "value"] as const) {
      graph.input(onnxNames.past(layer, part), type, ["batch", kvHeadCount, "capacity", depth]);
      graph.output(onnxNames.added(layer, part), type, ["batch", kvHeadCount, "time", depth]);
    }
  }
  const inputs = buildAttentionInputs(context);
  let x = embed(context, ids, inputs.positions);
  for (let layer = 0; layer < layerCount; layer += 1) x = block(context, inputs, x, layer);
  head(context, x);
}

/** [B, T, C] */
function embed({ graph, config, weight }: GraphContext, ids: string, positions: string): string {
  const table = weight("embedding.token", [config.vocabularySize, config.hiddenSize]);
  const rows = graph.node("Gather", [table, ids], "embedding");
  if (config.positions.kind !== "learned") return rows;
  const places = weight("embedding.position", [config.maxPositions, config.hiddenSize]);
  const placed = graph.node("Gather", [places, positions], "embedding.placed");
  return graph.node("Add", [rows, placed], "embedding.sum");
}

/** [B, T, C] -> [B, T, C] */
function block(context: GraphContext, inputs: AttentionInputs, x: string, layer: number): string {
  const { graph, config } = context;
  const path = `blocks.${layer}`;
  if (config.parallelBlock === true) {
    const h = norm(context, x, `${path}.norm`);
    const attended = attention(context, inputs, h, { layer, path: `${path}.both.heads` });
    const fed = mlp(context, h, `${path}.both.feed`);
    return graph.node("Add", [x, graph.node("Add", [attended, fed], `${path}.both`)], path);
  }
  const h = norm(context, x, `${path}.attention.norm`);
  const attended = attention(context, inputs, h, { layer, path: `${path}.attention.heads` });
  const y = graph.node("Add", [x, attended], `${path}.attention`);
  const before = config.parallelBlock === "separate norms" ? x : y;
  const fed = mlp(context, norm(context, before, `${path}.mlp.norm`), `${path}.mlp.feed`);
  return graph.node("Add", [y, fed], path);
}

function norm({ graph, config, weight }: GraphContext, x: string, path: string): string {
  const width = [config.hiddenSize];
  const settings = { axis: -1, epsilon: { float: config.normEpsilon } };
  const gain = weight(`${path}.gain`, width);
  if (config.norm === "rms") return graph.node("RMSNormalization", [x, gain], path, settings);
  const inputs = [x, gain, weight(`${path}.bias`, width)];
  return graph.node("LayerNormalization", inputs, path, settings);
}

function mlp(context: GraphContext, x: string, path: string): string {
  const { graph, config } = context;
  const { hiddenSize: width, ffnHiddenSize: inner, activation } = config;
  const bias = config.biases.mlp;
  const isGated = activation === "swiglu";
  const up = linear(context, x, `${path}.up`, {
    from: width,
    to: isGated ? 2 * inner : inner,
    bias,
  });
  const active = isGated
    ? gated(graph, up, path)
    : graph.node("Gelu", [up], `${path}.gelu`, {
        approximate: activation === "gelu" ? "tanh" : "none",
      });
  return linear(context, active, `${path}.down`, { from: inner, to: width, bias });
}

/** SwiGLU: silu(gate) * up, of [gate, up]. */
function gated(graph: GraphBuilder, both: string, path: string): string {
  const [gate, up] = [`${path}.gate`, `${path}.gated`] as const;
  graph.nodeWithOutputs("Split", [both], [gate, up], { axis: -1, num_outputs: 2 });
  const share = graph.node("Sigmoid", [gate], `${path}.sigmoid`);
  const silu = graph.node("Mul", [gate, share], `${path}.silu`);
  return graph.node("Mul", [silu, up], `${path}.swiglu`);
}

/** The logits of the last `num_logits_to_keep` tokens; of all for 0. */
function head(context: GraphContext, x: string): void {
  const { graph, config, weight, type } = context;
  const { vocabularySize: vocabulary, hiddenSize: width } = config;
  const start = graph.node("Neg", [onnxNames.keep], "kept.negative");
  const first = graph.node("Unsqueeze", [start, graph.constant("kept.axes", [0n])], "kept.start");
  const end = graph.constant("kept.end", [BigInt(Number.MAX_SAFE_INTEGER)]);
  const kept = graph.node("Slice", [x, first, end, graph.constant("kept.axis", [1n])], "kept");
  const normed = norm(context, kept, "norm");
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
  graph.node("Reshape", [wide, shape], onnxNames.logits);
}
