// Operations of a graph as functions, for kernels that are written by hand.

import type { Shape } from "@tessera/kernels/contract";
import { TYPES } from "./binding.js";
import type { Graph, Value } from "./graph.js";

const { int32, fp32 } = TYPES;

/** What computes element by element, and what sums, with TensorFlow's broadcasting. Numbers become scalars. */
function arithmeticOf(graph: Graph) {
  type Operand = Value | number;
  const typeOf = (x: Operand): number => (typeof x === "number" ? fp32 : x.type);
  const both = (operation: string, a: Operand, b: Operand): Value => {
    if (typeof a === "number") return graph.op(operation, [graph.scalar(a, typeOf(b)), b as Value]);
    if (typeof b === "number") return graph.op(operation, [a, graph.scalar(b, a.type)]);
    // Of a 16-bit value and an fp32 one the result is fp32.
    const type = a.type === b.type ? a.type : fp32;
    return graph.op(operation, [graph.cast(a, type), graph.cast(b, type)]);
  };
  const reduce = (operation: string, x: Value, axes: readonly number[], keep: boolean): Value =>
    graph.op(
      operation,
      [x, graph.ints(axes)],
      [
        ["keep_dims", "bool", keep],
        ["Tidx", "type", int32],
      ],
    );
  return {
    add: (a: Operand, b: Operand) => both("AddV2", a, b),
    sub: (a: Operand, b: Operand) => both("Sub", a, b),
    mul: (a: Operand, b: Operand) => both("Mul", a, b),
    div: (a: Operand, b: Operand) => both("RealDiv", a, b),
    less: (a: Operand, b: Operand) => both("Less", a, b),
    lessEqual: (a: Operand, b: Operand) => both("LessEqual", a, b),
    equal: (a: Value, b: Value) =>
      graph.op("Equal", [a, b], [["incompatible_shape_error", "bool", true]]),
    and: (a: Value, b: Value) => graph.node("LogicalAnd", [a, b]),
    unary: (operation: string, x: Value) => graph.op(operation, [x]),
    select: (condition: Value, yes: Value, no: Operand) =>
      graph.node(
        "SelectV2",
        [condition, yes, typeof no === "number" ? graph.scalar(no, yes.type) : no],
        [["T", "type", yes.type]],
      ),
    sum: (x: Value, axes: readonly number[], keep = false) => reduce("Sum", x, axes, keep),
    max: (x: Value, axes: readonly number[], keep = false) => reduce("Max", x, axes, keep),
    /** As fp32, in which statistics are computed whatever the storage is. */
    wide: (x: Value) => graph.cast(x, fp32),
  };
}

/** What moves elements, and products. */
function movesOf(graph: Graph) {
  return {
    transpose: (x: Value, perm: readonly number[]) =>
      graph.op("Transpose", [x, graph.ints(perm)], [["Tperm", "type", int32]]),
    slice: (x: Value, begin: readonly number[], size: Shape) =>
      graph.op("Slice", [x, graph.ints(begin), graph.ints(size)], [["Index", "type", int32]]),
    concat: (xs: readonly Value[], axis: number) =>
      xs.length === 1
        ? xs[0]!
        : graph.op(
            "ConcatV2",
            [xs, graph.scalar(axis, int32)],
            [
              ["N", "int", xs.length],
              ["Tidx", "type", int32],
            ],
          ),
    /** Products of the matrices in the last two dimensions, one for each of the outer ones. */
    matMul: (a: Value, b: Value, transposeA = false, transposeB = false) =>
      graph.op(
        a.shape.length === 2 ? "MatMul" : "BatchMatMulV2",
        [a, b],
        a.shape.length === 2
          ? [
              ["transpose_a", "bool", transposeA],
              ["transpose_b", "bool", transposeB],
            ]
          : [
              ["adj_x", "bool", transposeA],
              ["adj_y", "bool", transposeB],
            ],
      ),
    /** first, first + 1, ... as int32 of a shape whose extents are 1 but for one. */
    positions: (count: number, shape: Shape, first = 0) =>
      graph.constant(
        Int32Array.from({ length: count }, (_, i) => first + i),
        int32,
        shape,
      ),
  };
}

/** Operations on values of one graph. */
export const opsOf = (graph: Graph) => ({ ...arithmeticOf(graph), ...movesOf(graph) });
