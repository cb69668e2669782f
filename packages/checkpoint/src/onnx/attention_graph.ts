// Attention of new tokens to the cached and the new tokens of their row, as ONNX operators. Scores of cached and new
// tokens are computed separately and concatenated, so that no cache is copied.
//   B rows, T new tokens, S capacity, C hidden, H heads, G KV heads, D head size

import { atLayer, type GptConfig } from "@tessera/gpt";
import { rotaryAngles, rotaryDims } from "@tessera/layers/rotary";
import { linear, type GraphContext } from "./linear.js";
import { onnxNames, type CachePart } from "./names.js";

/** Inputs that all layers share. */
export interface AttentionInputs {
  /** Positions of the new tokens [B, T]. */
  readonly positions: string;
  /** Added to scores [B, 1, T, S + T]: minus infinity where a token may not attend. */
  readonly mask: string;
  /** The same in layers with the model's window; null where it has none. */
  readonly windowMask: string | null;
  /** S and T: how scores are split into those of cached and of new tokens. */
  readonly parts: string;
  readonly scale: string;
  readonly shapes: Readonly<
    Record<"heads" | "keyHeads" | "grouped" | "ungrouped" | "flat", string>
  >;
}

/** [B, T, heads, D] <-> [B, heads, T, D] */
const HEADS_FIRST = { perm: [0, 2, 1, 3] };

export function buildAttentionInputs(context: GraphContext): AttentionInputs {
  const { graph, config, type } = context;
  const extent = (of: string, axis: bigint, name: string): string => {
    const shape = graph.node("Shape", [of], `${name}.shape`);
    return graph.node("Gather", [shape, graph.constant(`${name}.axis`, [axis])], name);
  };
  const time = extent(onnxNames.ids, 1n, "time");
  const capacity = extent(onnxNames.past(0, "key"), 2n, "capacity");
  const places = range(context, time, "places"); // [T]
  const last = graph.constant("last", [-1n]);
  const held = graph.node("Unsqueeze", [onnxNames.lengths, last], "held"); // [B, 1]
  const positions = graph.node("Add", [held, places], "positions");

  const rowAxes = graph.constant("row.axes", [1n, 2n]);
  const byRow = graph.node("Unsqueeze", [held, rowAxes], "held.byRow"); // [B, 1, 1, 1]
  const isHeld = graph.node("Less", [range(context, capacity, "slots"), byRow], "isHeld");
  const column = graph.node("Unsqueeze", [places, last], "places.column"); // [T, 1]
  const isBefore = graph.node("LessOrEqual", [places, column], "isBefore"); // [T, T]
  const before = [extent(onnxNames.ids, 0n, "batch"), graph.constant("one.head", [1n]), time];
  const widened = (seen: string, width: string): string => {
    const shape = graph.node("Concat", [...before, width], `${seen}.wide`, { axis: 0 });
    return graph.node("Expand", [seen, shape], `${seen}.expanded`);
  };
  const both = [widened(isHeld, capacity), widened(isBefore, time)];
  const seen = graph.node("Concat", both, "seen", { axis: -1 });
  const values = [graph.number("nothing", type, 0), graph.number("never", type, -Infinity)];
  const maskOf = (allowed: string, name: string): string =>
    graph.node("Where", [allowed, ...values], name);
  const near = config.window && nearKeys(context, config.window.size, { positions, capacity });
  return {
    positions,
    mask: maskOf(seen, "mask"),
    windowMask: near && maskOf(graph.node("And", [seen, near], "seen.near"), "mask.near"),
    parts: graph.node("Concat", [capacity, time], "parts", { axis: 0 }),
    scale: graph.number("scale", type, 1 / Math.sqrt(config.headSize)),
    shapes: buildShapes(context),
  };
}

/** Whether cached and new tokens lie in the window of each new one: [B, 1, T, S + T]. */
function nearKeys(
  context: GraphContext,
  window: number,
  { positions, capacity }: { readonly positions: string; readonly capacity: string },
): string {
  const { graph } = context;
  const axes = (name: string, ...at: bigint[]): string => graph.constant(`near.${name}`, at);
  const own = graph.node("Unsqueeze", [positions, axes("own.axes", 1n, 3n)], "near.own");
  const fresh = graph.node("Unsqueeze", [positions, axes("fresh.axes", 1n, 2n)], "near.fresh");
  const slots = range(context, capacity, "near.slots");
  const batch = graph.node("Shape", [positions], "near.batch", { end: 1 });
  const shape = [batch, axes("ones", 1n, 1n), capacity];
  const wide = graph.node("Concat", shape, "near.wide", { axis: 0 });
  const held = graph.node("Expand", [slots, wide], "near.held");
  const keys = graph.node("Concat", [held, fresh], "near.keys", { axis: -1 });
  const apart = graph.node("Sub", [own, keys], "near.apart");
  return graph.node("Less", [apart, axes("size", BigInt(window))], "near");
}

/** Shapes for Reshape; 0 keeps a dimension. */
function buildShapes({ graph, config }: GraphContext): AttentionInputs["shapes"] {
  const [heads, keyHeads] = [BigInt(config.headCount), BigInt(config.kvHeadCount)];
  const depth = BigInt(config.headSize);
  return {
    heads: graph.constant("to.heads", [0n, 0n, heads, depth]),
    keyHeads: graph.constant("to.keyHeads", [0n, 0n, keyHeads, depth]),
    grouped: graph.constant("to.grouped", [0n, keyHeads, -1n, 0n]),
    ungrouped: graph.constant("to.ungrouped", [0n, heads, -1n, 0n]),
    flat: graph.constant("to.flat", [0n, 0n, -1n]),
  };
}

/** 0, 1, ... end - 1; `end` has shape [1]. */
function range({ graph }: GraphContext, end: string, name: string): string {
  const limit = graph.node("Squeeze", [end], `${name}.end`);
  const first = graph.constant(`${name}.first`, [0n], true);
  return graph.node("Range", [first, limit, graph.constant(`${name}.by`, [1n], true)], name);
}

interface LayerPath {
  readonly layer: number;
  readonly path: string;
}

/** x [B, T, C] -> [B, T, C] */
export function attention(
  context: GraphContext,
  inputs: AttentionInputs,
  x: string,
  place: LayerPath,
): string {
  const { graph, config } = context;
  const { path } = place;
  const { hiddenSize: width, headCount, kvHeadCount, headSize } = config;
  const bias = config.biases.attention !== false;
  const { shapes } = inputs;
  const flat = linear(context, x, `${path}.query`, { from: width, to: headCount * headSize, bias });
  const to = 2 * kvHeadCount * headSize;
  const keyValue = linear(context, x, `${path}.keyValue`, { from: width, to, bias });
  const [key, value] = [`${path}.key`, `${path}.value`] as const;
  graph.nodeWithOutputs("Split", [keyValue], [key, value], { axis: -1, num_outputs: 2 });

  const perHead = (rows: string, shape: string, name: string, norm?: string): string => {
    const heads = graph.node("Reshape", [rows, shape], `${rows}.heads`);
    const normed = norm === undefined ? heads : headNorm(context, heads, `${path}.${norm}`);
    return graph.node("Transpose", [normed], name, HEADS_FIRST);
  };
  const addedName = (part: CachePart): string => onnxNames.added(place.layer, part);
  const query = rotate(context, inputs, `${path}.turned`, (name) =>
    perHead(flat, shapes.heads, name, "queryNorm"),
  );
  rotate(context, inputs, addedName("key"), (name) =>
    perHead(key, shapes.keyHeads, name, "keyNorm"),
  );
  perHead(value, shapes.keyHeads, addedName("value"));

  const attended = attend(context, inputs, query, place);
  const rows = graph.node("Transpose", [attended], `${path}.rows`, HEADS_FIRST);
  const merged = graph.node("Reshape", [rows, shapes.flat], `${path}.merged`);
  return linear(context, merged, `${path}.output`, {
    from: headCount * headSize,
    to: width,
    bias: config.biases.attention === true,
  });
}

/** query [B, H, T, D] -> weighted sums of the layer's values, of the same shape. */
function attend(
  context: GraphContext,
  inputs: AttentionInputs,
  query: string,
  { layer, path }: LayerPath,
) {
  const { graph, config } = context;
  const { grouped, ungrouped } = inputs.shapes;
  // Query heads that share a KV head are rows of one product: [B, H, T, *] <-> [B, G, H / G T, *].
  const reshaped = (y: string, shape: string): string =>
    config.headCount === config.kvHeadCount ? y : graph.node("Reshape", [y, shape], `${y}.re`);
  const scaled = graph.node("Mul", [query, inputs.scale], `${path}.scaled`);
  const rows = reshaped(scaled, grouped);
  const scoresOf = (keys: string): string => {
    const columns = graph.node("Transpose", [keys], `${keys}.columns`, { perm: [0, 1, 3, 2] });
    return graph.node("MatMul", [rows, columns], `${keys}.scores`);
  };
  const scores = [scoresOf(onnxNames.past(layer, "key")), scoresOf(onnxNames.added(layer, "key"))];
  const joined = graph.node("Concat", scores, `${path}.scores`, { axis: -1 });
  const hasWindow = atLayer(config, layer).window !== null;
  const mask = hasWindow ? inputs.windowMask! : inputs.mask;
  const masked = [reshaped(joined, ungrouped), mask];
  const sum = graph.node("Add", masked, `${path}.masked`);
  const shares = graph.node("Softmax", [sum], `${path}.shares`, { axis: -1 });
  const [old, fresh] = [`${path}.old`, `${path}.fresh`] as const;
  graph.nodeWithOutputs("Split", [reshaped(shares, grouped), inputs.parts], [old, fresh], {
    axis: -1,
  });
  const seenOf = (part: string, values: string): string =>
    graph.node("MatMul", [part, values], `${values}.seen`);
  const seen = [
    seenOf(old, onnxNames.past(layer, "value")),
    seenOf(fresh, onnxNames.added(layer, "value")),
  ];
  return reshaped(graph.node("Add", seen, `${path}.seen`), ungrouped);
}

/** x [B, T, heads, D], each head normalized by its RMS if the model does so. */
function headNorm({ graph, config, weight }: GraphContext, x: string, path: string): string {
  const { qkNorm, headSize, normEpsilon } = config;
  if (!qkNorm) return x;
  const settings = { axis: -1, epsilon: { float: normEpsilon } };
  return graph.node("RMSNormalization", [x, weight(`${path}.gain`, [headSize])], path, settings);
}

/** `of` each rotary angle [maxPositions, rotated pairs], as queries and keys are multiplied by it. */
export function rotaryTable(
  { positions, maxPositions, headSize }: GptConfig,
  of: (angle: number) => number,
): Float32Array {
  if (positions.kind !== "rotary") return new Float32Array();
  const { frequencies, magnitude } = rotaryAngles(positions, headSize);
  const pairs = frequencies.length;
  return Float32Array.from(
    { length: maxPositions * pairs },
    (_, i) => magnitude * of(Math.floor(i / pairs) * frequencies[i % pairs]!),
  );
}

/** Queries or keys [B, heads, T, D] from `make`, rotated by their positions if the model has rotary ones. */
function rotate(
  { graph, config, weight }: GraphContext,
  { positions }: AttentionInputs,
  name: string,
  make: (name: string) => string,
): string {
  if (config.positions.kind !== "rotary") return make(name);
  const dims = rotaryDims(config.positions, config.headSize);
  const tables = (["cosine", "sine"] as const).map((table) =>
    weight(`rotary.${table}`, [config.maxPositions, dims / 2]),
  );
  return graph.node("RotaryEmbedding", [make(`${name}.still`), ...tables, positions], name, {
    interleaved: config.positions.pairs === "neighbours" ? 1 : 0,
    rotary_embedding_dim: dims,
  });
}
