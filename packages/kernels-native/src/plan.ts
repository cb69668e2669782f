// How a kernel of tfjs is served natively: what native code gets to see of a call.

import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { Attributes, Shape } from "@tessera/kernels";
import type { Inputs, OutputInfo } from "./backend.js";

/** What to run natively: views of the inputs, the output, and the kernel's own attributes. */
export interface Plan {
  /** The native kernel, where its name is not that of the tfjs kernel. */
  readonly kernel?: string;
  readonly inputs: Inputs;
  readonly y: OutputInfo;
  /** The output's shape as the native kernel sees it, where that differs. */
  readonly seenAs?: Shape;
  readonly attributes?: Attributes;
}

export type Planner = (
  inputs: Inputs,
  attributes: Readonly<Record<string, unknown>>,
) => Plan | null;

export const areFloats = (inputs: Inputs): boolean =>
  Object.values(inputs).every(({ dtype }) => dtype === "float32");

/** The same memory under another shape. */
export const seen = (tensor: TensorInfo, shape: Shape): TensorInfo => ({
  ...tensor,
  shape: [...shape],
});
