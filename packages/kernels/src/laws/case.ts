// The inputs of one run of a kernel.

import { streamKey } from "@tessera/random";
import type { Attributes, Shape } from "../kernel.js";
import type { WeightStorage } from "../storage.js";

/** How an input's values are sampled. */
export type Values =
  | "normal"
  | "positive"
  | "infinite"
  | { readonly below: number }
  | "weights"
  /** Of an exact sum. */
  | "bytes"
  /** First positions of packed documents, two or three to a row. */
  | "starts";

export type CaseInput = readonly [shape: Shape, values?: Values];

/** One run of a kernel: the shapes of its inputs, how their values are sampled, and its attributes. */
export interface Case {
  readonly kernel: string;
  readonly inputs: Readonly<Record<string, CaseInput>>;
  /** Of kernels over lists of tensors. */
  readonly lists?: Readonly<Record<string, readonly CaseInput[]>>;
  readonly attributes?: Attributes;
  /** Storages of inputs that are not stored like the others, on whatever backend. */
  readonly stored?: Readonly<Record<string, WeightStorage>>;
}

const [low, high] = streamKey(7, "cases");

/** The key of all random numbers in cases. */
export const key = [low, high];
