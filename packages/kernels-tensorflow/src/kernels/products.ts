// Matrix products in the storage of the activations. TensorFlow's own product is faster than what XLA makes of it on
// processors, and one operation costs less than a function, so each step is an operation of its own.

import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { Shape } from "@tessera/kernels/contract";
import type { TensorFlowBackend } from "../backend.js";
import { TYPES } from "../binding.js";
import { matrixOf, type KernelCall } from "../contract.js";
import { opsOf } from "../ops.js";
import { Scratch } from "../scratch.js";
import { typeOf } from "../tensor_data.js";

/** The same elements, seen as a matrix of rows. */
export const asMatrix = (x: TensorInfo): TensorInfo => seenAs(x, matrixOf(x.shape));

/** The same elements under another shape. */
export const seenAs = ({ dataId, dtype }: TensorInfo, shape: Shape): TensorInfo => ({
  dataId,
  dtype,
  shape: [...shape],
});

/** Sides of a product that are transposed. */
interface Transposed {
  readonly a?: boolean;
  readonly b?: boolean;
}

/** The products of the matrices of a and b, which are in one storage. The caller owns it. */
export function multiply(
  backend: TensorFlowBackend,
  a: TensorInfo,
  b: TensorInfo,
  transposed: Transposed = {},
  shape?: Shape,
): TensorInfo {
  const { a: isA = false, b: isB = false } = transposed;
  const [y] = backend.run({
    key: `matMul${String(isA)},${String(isB)}`,
    inputs: [a, b],
    isCompiled: false,
    emit: (graph, [left, right]) => [opsOf(graph).matMul(left!, right!, isA, isB)],
    ...(shape && { shapes: [shape] }),
  });
  return y!;
}

const typeIn = (backend: TensorFlowBackend, x: TensorInfo): number => typeOf(backend.storageOf(x)!);

/** A copy of x with elements of TensorFlow's type `type`. The caller owns it. */
function cast(backend: TensorFlowBackend, x: TensorInfo, type: number): TensorInfo {
  const [made] = backend.run({
    key: `cast${type}`,
    inputs: [x],
    isCompiled: false,
    emit: (graph, [values]) => [graph.cast(values!, type)],
  });
  return made!;
}

/** x with elements of TensorFlow's type `type`: itself, or a copy that `scratch` disposes. */
export const castTo = (
  backend: TensorFlowBackend,
  scratch: Scratch,
  x: TensorInfo,
  type: number,
): TensorInfo => (typeIn(backend, x) === type ? x : scratch.hold(cast(backend, x, type)));

/** x in fp32; consumes x. */
export function widen(backend: TensorFlowBackend, x: TensorInfo): TensorInfo {
  if (typeIn(backend, x) === TYPES.fp32) return x;
  const wide = cast(backend, x, TYPES.fp32);
  backend.disposeData(x.dataId);
  return wide;
}

/** y = x weight, or its transpose, with the weight in the storage of x. */
function weighted(
  { backend }: KernelCall,
  scratch: Scratch,
  [x, weight]: readonly [TensorInfo, TensorInfo],
  isTransposed: boolean,
  shape?: Shape,
): TensorInfo {
  const narrow = castTo(backend, scratch, weight, typeIn(backend, x));
  return multiply(backend, asMatrix(x), narrow, { b: isTransposed }, shape);
}

export function linear(call: KernelCall): TensorInfo[] {
  const { backend, inputs, shapes } = call;
  const { x, weight, bias } = inputs;
  const scratch = new Scratch(backend);
  const y = scratch.hold(weighted(call, scratch, [x!, weight!], false));
  const narrow = castTo(backend, scratch, bias!, typeIn(backend, x!));
  const made = backend.run({
    key: "biasAdd",
    inputs: [y, narrow],
    isCompiled: false,
    emit: (graph, [rows, each]) => [
      graph.op("BiasAdd", [rows!, each!], [["data_format", "text", "NHWC"]]),
    ],
    shapes,
  });
  scratch.release();
  return made;
}

export function product(call: KernelCall): TensorInfo[] {
  const { x, weight } = call.inputs;
  const scratch = new Scratch(call.backend);
  const isTransposed = call.attributes["transpose"] === true;
  const y = weighted(call, scratch, [x!, weight!], isTransposed, call.shapes[0]);
  scratch.release();
  return [y];
}

/** x^T dy in fp32. */
const gradientOf = (backend: TensorFlowBackend, x: TensorInfo, dy: TensorInfo): TensorInfo =>
  widen(backend, multiply(backend, asMatrix(x), asMatrix(dy), { a: true }));

export const weightGradient = ({ backend, inputs: { x, dy } }: KernelCall): TensorInfo[] => [
  gradientOf(backend, x!, dy!),
];

export function addWeightGradient({ backend, inputs }: KernelCall): TensorInfo[] {
  const { sum, x, dy } = inputs;
  const gradient = gradientOf(backend, x!, dy!);
  const made = backend.run({
    key: "addGradient",
    inputs: [sum!, gradient],
    emit: (graph, [a, b]) => [graph.cast(opsOf(graph).add(a!, b!), a!.type)],
    shapes: [sum!.shape],
  });
  backend.disposeData(gradient.dataId);
  backend.consume(sum!);
  return made;
}

/** The sum of all rows, in fp32. */
export function sumRows({ backend, inputs, shapes }: KernelCall): TensorInfo[] {
  const made = backend.run({
    key: "sumRows",
    inputs: [asMatrix(inputs["dy"]!)],
    isCompiled: false,
    emit: (graph, [dy]) => [graph.op("BiasAddGrad", [dy!], [["data_format", "text", "NHWC"]])],
    shapes,
  });
  return made.map((sums) => widen(backend, sums));
}
