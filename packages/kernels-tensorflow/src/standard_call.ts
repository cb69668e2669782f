// How one of tfjs's own kernels is written into a graph.

import type { Graph, Value } from "./graph.js";

/** A call of one of tfjs's kernels that is written into a graph. */
export interface StandardCall {
  readonly graph: Graph;
  /** By tfjs's names of the inputs; those of lists have numbers. */
  readonly inputs: Readonly<Record<string, Value>>;
  readonly attributes: Readonly<Record<string, unknown>>;
}

export type EmitStandard = (call: StandardCall) => readonly Value[];
