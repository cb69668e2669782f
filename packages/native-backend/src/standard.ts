// The kernels of tfjs itself that training needs fast. Each says when native code can serve a call
// and how; where it cannot (other dtypes, rare forms), the kernel of tfjs's CPU backend runs.

import { backend_util, slice_util, util, type TensorInfo } from "@tensorflow/tfjs-core";
import type { Shape } from "@tessera/kernels/contract";
import { areFloats, viewAs, type Plan, type PlannedInputs, type Planner } from "./plan.js";
import { products } from "./standard_products.js";

const binary: Planner = (inputs) => {
  if (!areFloats(inputs)) return null;
  const { a, b } = inputs as { a: TensorInfo; b: TensorInfo };
  const shape = backend_util.assertAndGetBroadcastShape(a.shape, b.shape);
  return { inputs, y: { shape, dtype: "float32" } };
};

const unary: Planner = (inputs) =>
  areFloats(inputs) ? { inputs, y: { shape: inputs["x"]!.shape, dtype: "float32" } } : null;

const softmax: Planner = (inputs, { dim }) => {
  const { shape } = inputs["logits"]!;
  const last = dim === undefined || dim === -1 || dim === shape.length - 1;
  return areFloats(inputs) && last ? { inputs, y: { shape, dtype: "float32" } } : null;
};

/** Reductions over the last or the first dimensions. */
const reduction =
  (axisName: string): Planner =>
  (inputs, attributes) => {
    const x = inputs["x"]!;
    const axes = util.parseAxisParam(attributes[axisName] as number[], x.shape);
    const [shape, reduced] = backend_util.computeOutAndReduceShapes(x.shape, axes);
    const rank = x.shape.length;
    const trailing = axes.every((axis, i) => axis === rank - axes.length + i);
    const leading = axes.every((axis, i) => axis === i);
    if (!areFloats(inputs) || axes.length === 0 || x.shape.includes(0)) return null;
    if (!trailing && !leading) return null;
    const [kept, gone] = [util.sizeFromShape(shape), util.sizeFromShape(reduced)];
    const out =
      attributes["keepDims"] === true ? backend_util.expandShapeToKeepDim(shape, axes) : shape;
    return {
      inputs: { x: viewAs(x, trailing ? [kept, gone] : [gone, kept]) },
      y: { shape: out, dtype: "float32" },
      attributes: { leading: !trailing },
    };
  };

const transpose: Planner = (inputs, { perm }) => {
  const x = inputs["x"]!;
  const order = perm as number[];
  if (x.dtype === "string" || x.dtype === "complex64") return null;
  const y = { shape: order.map((dim) => x.shape[dim]!), dtype: x.dtype };
  return { inputs, y, attributes: { perm: order } };
};

const slice: Planner = (inputs, { begin, size }) => {
  const x = inputs["x"]!;
  if (x.dtype === "string" || x.dtype === "complex64") return null;
  const [from, shape] = slice_util.parseSliceParams(x, begin as number[], size as number[]) as [
    number[],
    number[],
  ];
  slice_util.assertParamsValid(x, from, shape);
  return { inputs, y: { shape, dtype: x.dtype }, attributes: { begin: from } };
};

const gather: Planner = (inputs, { axis, batchDims }) => {
  const { x, indices } = inputs as { x: TensorInfo; indices: TensorInfo };
  if (x.dtype !== "float32" || indices.dtype !== "int32" || batchDims !== 0) return null;
  const dim = util.parseAxisParam(axis as number, x.shape)[0]!;
  const outer = util.sizeFromShape(x.shape.slice(0, dim));
  const inner = util.sizeFromShape(x.shape.slice(dim + 1));
  const shape = [...x.shape.slice(0, dim), ...indices.shape, ...x.shape.slice(dim + 1)];
  if (util.sizeFromShape(shape) === 0) return null;
  return {
    inputs: { x: viewAs(x, [outer, x.shape[dim]!, inner]), indices },
    y: { shape, dtype: "float32" },
  };
};

const fill: Planner = (_inputs, { shape, value, dtype }) => {
  if ((dtype ?? util.inferDtype(value as number)) !== "float32") return null;
  return {
    inputs: {},
    y: { shape: shape as number[], dtype: "float32" },
    attributes: { value: value as number },
  };
};

/** `fill` with 0, as a tensor of floats like `x`. */
const zerosLike: Planner = (inputs) => {
  const { shape, dtype } = inputs["x"]!;
  if (dtype !== "float32") return null;
  return { kernel: "Fill", inputs: {}, y: { shape, dtype }, attributes: { value: 0 } };
};

/**
 * Casts that lose nothing. tfjs's CPU backend gives such a cast the memory of its input, whose
 * elements native kernels would take for what the dtype says.
 */
const cast: Planner = (inputs, { dtype }) => {
  const x = inputs["x"]!;
  const widens =
    (dtype === "float32" && (x.dtype === "int32" || x.dtype === "bool")) ||
    (dtype === "int32" && x.dtype === "bool");
  return widens ? { inputs, y: { shape: x.shape, dtype } } : null;
};

/** Tensors of floats and of one shape, which are added up. */
const addN: Planner = (inputs) => {
  const xs = listOf(inputs);
  if (!areFloats(inputs)) return null;
  return { inputs: { xs }, y: { shape: xs[0]!.shape, dtype: "float32" } };
};

/** Tensors behind each other along `axis`, seen as matrices whose rows are joined. */
function concatenation(xs: readonly TensorInfo[], axis: number, shape: Shape): Plan | null {
  const { dtype } = xs[0]!;
  if (dtype === "string" || dtype === "complex64") return null;
  if (xs.some((x) => x.dtype !== dtype)) return null;
  const outer = util.sizeFromShape(shape.slice(0, axis));
  if (util.sizeFromShape([...shape]) === 0) return null;
  const rowsOf = (x: TensorInfo) => viewAs(x, [outer, util.sizeFromShape(x.shape) / outer]);
  const y = { shape, dtype };
  const row = util.sizeFromShape(shape.slice(axis));
  return { kernel: "Concat", inputs: { xs: xs.map(rowsOf) }, y, viewedAs: [outer, row] };
}

const concat: Planner = (inputs, attributes) => {
  const xs = listOf(inputs);
  const axis = util.parseAxisParam(attributes["axis"] as number, xs[0]!.shape)[0]!;
  const shapes = xs.map(({ shape }) => shape);
  backend_util.assertParamsConsistent(shapes, axis);
  return concatenation(xs, axis, backend_util.computeOutShape(shapes, axis));
};

/** tfjs's `stack`. */
const pack: Planner = (inputs, { axis }) => {
  const xs = listOf(inputs);
  const { shape } = xs[0]!;
  if (xs.some((x) => !util.arraysEqual(x.shape, shape))) return null;
  return concatenation(xs, axis as number, shape.toSpliced(axis as number, 0, xs.length));
};

/** tfjs's `unstack`: a slice of each. */
const unpack: Planner = ({ value }, attributes) => {
  const x = value!;
  const axis = attributes["axis"] as number;
  const dim = axis < 0 ? axis + x.shape.length : axis;
  if (x.dtype === "string" || x.dtype === "complex64" || x.shape.includes(0)) return null;
  const outer = util.sizeFromShape(x.shape.slice(0, dim));
  const inner = util.sizeFromShape(x.shape.slice(dim + 1));
  const shape = x.shape.toSpliced(dim, 1);
  return Array.from({ length: x.shape[dim]! }, (_, i) => ({
    kernel: "Slice",
    inputs: { x: viewAs(x, [outer, x.shape[dim]!, inner]) },
    y: { shape, dtype: x.dtype },
    viewedAs: [outer, 1, inner],
    attributes: { begin: [0, i, 0] },
  }));
};

/** tfjs passes a list in place of named tensors. */
const listOf = (inputs: PlannedInputs): readonly TensorInfo[] =>
  Object.values(inputs).filter((x) => x !== undefined);

/** By the name of the kernel in tfjs, which is its name in the addon too. */
export const standard: Readonly<Record<string, Planner>> = {
  Add: binary,
  AddN: addN,
  Cast: cast,
  Sub: binary,
  Maximum: binary,
  Minimum: binary,
  Multiply: binary,
  RealDiv: binary,
  Concat: concat,
  Exp: unary,
  Log: unary,
  Neg: unary,
  Pack: pack,
  Rsqrt: unary,
  Sigmoid: unary,
  Sqrt: unary,
  Square: unary,
  Sum: reduction("axis"),
  Mean: reduction("axis"),
  Max: reduction("reductionIndices"),
  Softmax: softmax,
  Transpose: transpose,
  Slice: slice,
  GatherV2: gather,
  Fill: fill,
  Unpack: unpack,
  ZerosLike: zerosLike,
  ...products,
};
