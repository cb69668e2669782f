// Axes and indices as TensorFlow's operations take them.

import { util } from "@tensorflow/tfjs-core";
import { TYPES, type OperationAttribute } from "./binding.js";
import type { Value } from "./graph.js";

/** Axes that count from the end, from the start. */
export const axesOf = (axis: unknown, { shape }: Value): number[] =>
  util.parseAxisParam(axis as number | number[], [...shape]);

/** The first of them. Default: 0. */
export const axisOf = (axis: unknown, x: Value): number => axesOf(axis ?? 0, x)[0]!;

/** An attribute `name` that says int32. */
export const indexType = (name: string): OperationAttribute => [name, "type", TYPES.int32];
