// The kernels of tfjs itself that training needs fast. Each says when native code can serve a call
// and how; where it cannot (other dtypes, rare forms), the kernel of tfjs's CPU backend runs.

import { backend_util, slice_util, util, type TensorInfo } from "@tensorflow/tfjs-core";
import { areFloats, seen, type Planner } from "./plan.js";
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

/** Reductions whose axes are the last dimensions or, where `leadingToo`, the first. */
const reduction =
  (axisName: string, leadingToo: boolean): Planner =>
  (inputs, attributes) => {
    const x = inputs["x"]!;
    const axes = util.parseAxisParam(attributes[axisName] as number[], x.shape);
    const [shape, reduced] = backend_util.computeOutAndReduceShapes(x.shape, axes);
    const rank = x.shape.length;
    const trailing = axes.every((axis, i) => axis === rank - axes.length + i);
    const leading = leadingToo && axes.every((axis, i) => axis === i);
    if (!areFloats(inputs) || axes.length === 0 || x.shape.includes(0)) return null;
    if (!trailing && !leading) return null;
    const [kept, gone] = [util.sizeFromShape(shape), util.sizeFromShape(reduced)];
    const out =
      attributes["keepDims"] === true ? backend_util.expandShapeToKeepDim(shape, axes) : shape;
    return {
      inputs: { x: seen(x, trailing ? [kept, gone] : [gone, kept]) },
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
    inputs: { x: seen(x, [outer, x.shape[dim]!, inner]), indices },
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

/** By the name of the kernel in tfjs, which is its name in the addon too. */
export const standard: Readonly<Record<string, Planner>> = {
  Add: binary,
  Cast: cast,
  Sub: binary,
  Multiply: binary,
  RealDiv: binary,
  Exp: unary,
  Neg: unary,
  Rsqrt: unary,
  Sigmoid: unary,
  Sqrt: unary,
  Square: unary,
  Sum: reduction("axis", true),
  Mean: reduction("axis", true),
  Max: reduction("reductionIndices", false),
  Softmax: softmax,
  Transpose: transpose,
  Slice: slice,
  GatherV2: gather,
  Fill: fill,
  ZerosLike: zerosLike,
  ...products,
};
