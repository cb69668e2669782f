// tfjs's own kernels, each as operations of TensorFlow. Most have the same name and meaning there.

import { TYPES, type OperationAttribute } from "./binding.js";
import type { Graph, Value } from "./graph.js";
import type { EmitStandard, StandardCall } from "./standard_call.js";
import { shapes } from "./standard_shapes.js";
import { reductions } from "./standard_reductions.js";

const binary =
  (operation: string): EmitStandard =>
  ({ graph, inputs: { a, b } }) => [graph.op(operation, [a!, b!])];

const logical =
  (operation: string): EmitStandard =>
  ({ graph, inputs: { a, b } }) => [graph.node(operation, [a!, b!])];

const unary =
  (operation: string, attributes: readonly OperationAttribute[] = []): EmitStandard =>
  ({ graph, inputs: { x } }) => [graph.op(operation, [x!], attributes)];

/** Comparisons of equality say what shapes that do not fit give. */
const equality =
  (operation: string): EmitStandard =>
  ({ graph, inputs: { a, b } }) => [
    graph.op(operation, [a!, b!], [["incompatible_shape_error", "bool", true]]),
  ];

const batchMatMul = (
  graph: Graph,
  a: Value,
  b: Value,
  { transposeA, transposeB }: StandardCall["attributes"],
): Value =>
  graph.op(
    "BatchMatMulV2",
    [a, b],
    [
      ["adj_x", "bool", transposeA === true],
      ["adj_y", "bool", transposeB === true],
    ],
  );

const softmax: EmitStandard = ({ graph, inputs: { logits }, attributes: { dim } }) => {
  const { length } = logits!.shape;
  if (dim !== undefined && dim !== -1 && dim !== length - 1) {
    throw new Error("softmax: only along the last dimension");
  }
  return [graph.op("Softmax", [logits!])];
};

/** A product with a bias, and at times an activation. */
const fusedMatMul: EmitStandard = ({ graph, inputs: { a, b, bias }, attributes }) => {
  const { activation = "linear" } = attributes;
  const known: Readonly<Record<string, string>> = { relu: "Relu", sigmoid: "Sigmoid", elu: "Elu" };
  const product = batchMatMul(graph, a!, b!, attributes);
  const sum = bias === undefined ? product : graph.op("AddV2", [product, bias]);
  if (activation === "linear") return [sum];
  const operation = known[activation as string];
  if (operation === undefined) throw new Error(`matMul: no activation ${activation as string}`);
  return [graph.op(operation, [sum])];
};

const cast: EmitStandard = ({ graph, inputs: { x }, attributes: { dtype } }) => {
  switch (dtype) {
    case "int32":
      return [graph.cast(x!, TYPES.int32)];
    case "float32":
      return [graph.cast(x!, TYPES.fp32)];
    case "bool":
      return [graph.cast(x!, TYPES.bool)];
    default:
      throw new Error(`cast: to ${String(dtype)} is not possible on TensorFlow`);
  }
};

const select: EmitStandard = ({ graph, inputs: { condition, t, e } }) => [
  graph.node("SelectV2", [condition!, t!, e!], [["T", "type", t!.type]]),
];

const clip: EmitStandard = ({ graph, inputs: { x }, attributes }) => [
  graph.op("ClipByValue", [
    x!,
    graph.scalar(attributes["clipValueMin"] as number, x!.type),
    graph.scalar(attributes["clipValueMax"] as number, x!.type),
  ]),
];

const addN: EmitStandard = ({ graph, inputs }) => {
  const xs = Object.values(inputs);
  return [graph.op("AddN", [xs], [["N", "int", xs.length]])];
};

const zerosLike: EmitStandard = ({ graph, inputs: { x } }) => [graph.op("ZerosLike", [x!])];

const leakyRelu: EmitStandard = ({ graph, inputs: { x }, attributes: { alpha } }) => [
  graph.op("LeakyRelu", [x!], [["alpha", "float", alpha as number]]),
];

/** By the name of the kernel in tfjs. */
export const standard: Readonly<Record<string, EmitStandard>> = {
  Add: binary("AddV2"),
  AddN: addN,
  Atan2: binary("Atan2"),
  BatchMatMul: ({ graph, inputs: { a, b }, attributes }) => [
    batchMatMul(graph, a!, b!, attributes),
  ],
  Cast: cast,
  ClipByValue: clip,
  Equal: equality("Equal"),
  FloorDiv: binary("FloorDiv"),
  Greater: binary("Greater"),
  GreaterEqual: binary("GreaterEqual"),
  LeakyRelu: leakyRelu,
  Less: binary("Less"),
  LessEqual: binary("LessEqual"),
  LogicalAnd: logical("LogicalAnd"),
  LogicalNot: ({ graph, inputs: { x } }) => [graph.node("LogicalNot", [x!])],
  LogicalOr: logical("LogicalOr"),
  Maximum: binary("Maximum"),
  Minimum: binary("Minimum"),
  Mod: binary("FloorMod"),
  Multiply: binary("Mul"),
  NotEqual: equality("NotEqual"),
  Pow: binary("Pow"),
  RealDiv: binary("RealDiv"),
  Select: select,
  Softmax: softmax,
  LogSoftmax: ({ graph, inputs: { logits } }) => [graph.op("LogSoftmax", [logits!])],
  SquaredDifference: binary("SquaredDifference"),
  Sub: binary("Sub"),
  ZerosLike: zerosLike,
  _FusedMatMul: fusedMatMul,
  ...Object.fromEntries(
    [
      ...["Abs", "Ceil", "Cos", "Cosh", "Elu", "Erf", "Exp", "Expm1", "Floor", "IsFinite", "IsInf"],
      ...["Log", "Log1p", "Neg", "OnesLike", "Reciprocal", "Relu", "Relu6", "Round", "Rsqrt"],
      ...["Selu", "Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Sqrt", "Square", "Tan", "Tanh"],
    ].map((name) => [name, unary(name)]),
  ),
  IsNan: ({ graph, inputs: { x } }) => [graph.op("IsNan", [x!])],
  ...reductions,
  ...shapes,
};
