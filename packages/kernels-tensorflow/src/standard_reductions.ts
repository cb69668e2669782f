// tfjs's kernels that reduce along dimensions, as operations of TensorFlow.

import { TYPES } from "./binding.js";
import { axesOf, axisOf, indexType } from "./standard_axes.js";
import type { EmitStandard } from "./standard_call.js";

/** Over the axes that the attribute `name` has, in TensorFlow's words. */
const reduction =
  (operation: string, name: string): EmitStandard =>
  ({ graph, inputs: { x }, attributes }) => [
    graph.op(
      operation,
      [x!, graph.ints(axesOf(attributes[name], x!))],
      [
        ["keep_dims", "bool", attributes["keepDims"] === true],
        ["Tidx", "type", TYPES.int32],
      ],
    ),
  ];

/** Over axes of booleans, which are of one type. */
const test =
  (operation: string): EmitStandard =>
  ({ graph, inputs: { x }, attributes }) => [
    graph.node(
      operation,
      [x!, graph.ints(axesOf(attributes["axis"], x!))],
      [
        ["keep_dims", "bool", attributes["keepDims"] === true],
        ["Tidx", "type", TYPES.int32],
      ],
    ),
  ];

const place =
  (operation: string): EmitStandard =>
  ({ graph, inputs: { x }, attributes: { axis } }) => [
    graph.op(
      operation,
      [x!, graph.scalar(axisOf(axis, x!), TYPES.int32)],
      [indexType("Tidx"), ["output_type", "type", TYPES.int32]],
    ),
  ];

export const reductions: Readonly<Record<string, EmitStandard>> = {
  All: test("All"),
  Any: test("Any"),
  ArgMax: place("ArgMax"),
  ArgMin: place("ArgMin"),
  Max: reduction("Max", "reductionIndices"),
  Mean: reduction("Mean", "axis"),
  Min: reduction("Min", "axis"),
  Prod: reduction("Prod", "axis"),
  Sum: reduction("Sum", "axis"),
};
