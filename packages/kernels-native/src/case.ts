// What one run of a kernel is given.

import { streamKey } from "@tessera/random";
import type { Attributes, Shape } from "@tessera/kernels";

/** How an input's values are drawn. */
export type Values =
  | "normal"
  | "positive"
  | "infinite"
  | { readonly below: number }
  | "weights"
  /** Where documents begin that share a row, two or three to each. */
  | "starts";

export interface Case {
  readonly kernel: string;
  readonly inputs: Readonly<Record<string, readonly [shape: Shape, values?: Values]>>;
  readonly attributes?: Attributes;
}

const [low, high] = streamKey(7, "cases");

/** Of all random numbers that cases draw. */
export const key = [low, high];
