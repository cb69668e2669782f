// How a kernel of tfjs is served natively: what native code gets to see of a call.

import type { DataType, TensorInfo } from "@tensorflow/tfjs-core";
import type { Attributes, Shape } from "@tessera/kernels/contract";
import type { Inputs } from "./backend.js";

/** What to run natively: views of the inputs, the output, and the kernel's own attributes. */
export interface Plan {
  /** The native kernel, where its name is not that of the tfjs kernel. */
  readonly kernel?: string;
  readonly inputs: Inputs;
  readonly y: { readonly shape: Shape; readonly dtype: DataType };
  /** The output's shape as the native kernel sees it, where that differs. */
  readonly viewedAs?: Shape;
  readonly attributes?: Attributes;
}

/** The tensors of a call by name. Kernels of lists, such as AddN, have them as "0", "1", ... */
export type PlannedInputs = Readonly<Record<string, TensorInfo | undefined>>;

/** A list where the kernel has a list of outputs. Null where native code cannot serve the call. */
export type Planner = (
  inputs: PlannedInputs,
  attributes: Readonly<Record<string, unknown>>,
) => Plan | readonly Plan[] | null;

export const areFloats = (inputs: PlannedInputs): boolean => {
  for (const name in inputs) {
    const input = inputs[name];
    if (input != null && input.dtype !== "float32") return false;
  }
  return true;
};

/** The same memory under another shape. */
export const viewAs = ({ dataId, dtype }: TensorInfo, shape: Shape): TensorInfo => ({
  dataId,
  dtype,
  shape: [...shape],
});
