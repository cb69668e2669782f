// tfjs's kernels that move elements, make them, or reduce along dimensions, as operations of TensorFlow.

import { TYPES, type OperationAttribute } from "./binding.js";
import type { Graph, Value } from "./graph.js";
import { axesOf, axisOf, indexType } from "./standard_axes.js";
import { opsOf } from "./ops.js";
import type { EmitStandard } from "./standard_call.js";

const transpose: EmitStandard = ({ graph, inputs: { x }, attributes: { perm } }) => [
  opsOf(graph).transpose(x!, perm as number[]),
];

const sliced: EmitStandard = ({ graph, inputs: { x }, attributes }) => {
  const fill = (values: unknown, rest: number): number[] => {
    const given = typeof values === "number" ? [values] : (values as number[]);
    return x!.shape.map((_, i) => given[i] ?? rest);
  };
  return [opsOf(graph).slice(x!, fill(attributes["begin"], 0), fill(attributes["size"], -1))];
};

const concatenated: EmitStandard = ({ graph, inputs, attributes: { axis } }) => {
  const xs = Object.values(inputs);
  return [opsOf(graph).concat(xs, axisOf(axis, xs[0]!))];
};

const pack: EmitStandard = ({ graph, inputs, attributes: { axis } }) => {
  const xs = Object.values(inputs);
  const attributes: OperationAttribute[] = [
    ["N", "int", xs.length],
    ["axis", "int", axis as number],
  ];
  return [graph.op("Pack", [xs], attributes)];
};

const unpack: EmitStandard = ({ graph, inputs: { value }, attributes: { axis } }) => {
  const at = axisOf(axis, value!);
  const attributes: OperationAttribute[] = [
    ["T", "type", value!.type],
    ["num", "int", value!.shape[at]!],
    ["axis", "int", at],
  ];
  return graph.nodeOutputs("Unpack", [value!], attributes);
};

const split: EmitStandard = ({ graph, inputs: { x }, attributes }) => {
  const axis = axisOf(attributes["axis"], x!);
  const given = attributes["numOrSizeSplits"] as number | number[];
  const extent = x!.shape[axis]!;
  const sizes = typeof given === "number" ? Array<number>(given).fill(extent / given) : given;
  return graph.nodeOutputs(
    "SplitV",
    [x!, graph.ints(sizes), graph.scalar(axis, TYPES.int32)],
    [["T", "type", x!.type], ["num_split", "int", sizes.length], indexType("Tlen")],
  );
};

const gather: EmitStandard = ({ graph, inputs: { x, indices }, attributes }) => [
  graph.node(
    "GatherV2",
    [x!, indices!, graph.scalar(axisOf(attributes["axis"], x!), TYPES.int32)],
    [
      ["Tparams", "type", x!.type],
      indexType("Tindices"),
      indexType("Taxis"),
      ["batch_dims", "int", (attributes["batchDims"] as number | undefined) ?? 0],
    ],
  ),
];

const oneHot: EmitStandard = ({ graph, inputs: { indices }, attributes }) => [
  graph.node(
    "OneHot",
    [
      indices!,
      graph.scalar(attributes["depth"] as number, TYPES.int32),
      graph.scalar((attributes["onValue"] as number | undefined) ?? 1),
      graph.scalar((attributes["offValue"] as number | undefined) ?? 0),
    ],
    [
      ["T", "type", TYPES.fp32],
      ["TI", "type", indices!.type],
      ["axis", "int", -1],
    ],
  ),
];

const scatter: EmitStandard = ({ graph, inputs: { indices, updates }, attributes }) => [
  graph.node(
    "ScatterNd",
    [indices!, updates!, graph.ints(attributes["shape"] as number[])],
    [["T", "type", updates!.type], indexType("Tindices")],
  ),
];

const gatherNd: EmitStandard = ({ graph, inputs: { params, indices } }) => [
  graph.node(
    "GatherNd",
    [params!, indices!],
    [["Tparams", "type", params!.type], indexType("Tindices")],
  ),
];

/** Of one value: int32, bool, or else fp32. */
const fill = (graph: Graph, shape: readonly number[], value: number, dtype: string): Value => {
  const type = dtype === "int32" || dtype === "bool" ? TYPES[dtype] : TYPES.fp32;
  const one =
    type === TYPES.bool ? graph.constant(Uint8Array.of(value), type) : graph.scalar(value, type);
  return graph.node(
    "Fill",
    [graph.ints(shape), one],
    [["T", "type", type], indexType("index_type")],
  );
};

const filled: EmitStandard = ({ graph, attributes: { shape, value, dtype } }) => [
  fill(graph, shape as number[], value as number, (dtype as string | undefined) ?? "float32"),
];

const range: EmitStandard = ({ graph, attributes: { start, stop, step, dtype } }) => {
  const [from, to, by] = [start, stop, step] as [number, number, number];
  const count = Math.max(0, Math.ceil((to - from) / (by || (to < from ? -1 : 1))));
  const values = Array.from({ length: count }, (_, i) => from + i * (by || (to < from ? -1 : 1)));
  return dtype === "int32"
    ? [graph.ints(values)]
    : [graph.constant(Float32Array.from(values), TYPES.fp32, [count])];
};

const tile: EmitStandard = ({ graph, inputs: { x }, attributes: { reps } }) => [
  graph.op("Tile", [x!, graph.ints(reps as number[])], [indexType("Tmultiples")]),
];

const pad: EmitStandard = ({ graph, inputs: { x }, attributes }) => {
  const paddings = attributes["paddings"] as [number, number][];
  const table = graph.constant(Int32Array.from(paddings.flat()), TYPES.int32, [paddings.length, 2]);
  const value = graph.scalar(attributes["constantValue"] as number, x!.type);
  return [graph.op("PadV2", [x!, table, value], [indexType("Tpaddings")])];
};

const reverse: EmitStandard = ({ graph, inputs: { x }, attributes: { dims } }) => [
  graph.op("ReverseV2", [x!, graph.ints(axesOf(dims, x!))], [indexType("Tidx")]),
];

const cumsum: EmitStandard = ({
  graph,
  inputs: { x },
  attributes: { axis, exclusive, reverse: back },
}) => [
  graph.op(
    "Cumsum",
    [x!, graph.scalar(axisOf(axis, x!), TYPES.int32)],
    [
      ["exclusive", "bool", exclusive === true],
      ["reverse", "bool", back === true],
      indexType("Tidx"),
    ],
  ),
];

const topK: EmitStandard = ({ graph, inputs: { x }, attributes: { k, sorted } }) =>
  graph.nodeOutputs(
    "TopKV2",
    [x!, graph.scalar(k as number, TYPES.int32)],
    [
      ["T", "type", x!.type],
      ["sorted", "bool", sorted === true],
    ],
  );

const broadcast: EmitStandard = ({ graph, inputs: { x }, attributes: { shape } }) => [
  graph.op("BroadcastTo", [x!, graph.ints(shape as number[])], [indexType("Tidx")]),
];

export const shapes: Readonly<Record<string, EmitStandard>> = {
  BroadcastTo: broadcast,
  Concat: concatenated,
  Cumsum: cumsum,
  Fill: filled,
  GatherNd: gatherNd,
  GatherV2: gather,
  OneHot: oneHot,
  Pack: pack,
  PadV2: pad,
  Range: range,
  Reverse: reverse,
  ScatterNd: scatter,
  Slice: sliced,
  SplitV: split,
  Tile: tile,
  TopK: topK,
  Transpose: transpose,
  Unpack: unpack,
};
