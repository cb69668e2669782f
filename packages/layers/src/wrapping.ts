// What a strategy puts around the parts of a model, which themselves do not change.

import type { Head, Source } from "./ends.js";
import { sequence, type AnyLayer, type Layer, type SequenceOf } from "./layer.js";
import type { Tree } from "./tree.js";

export interface Wrapping {
  /** Around where ids become activations. */
  source<P extends Tree, S extends Tree>(source: Source<P, S>): Source<P, S>;
  /** How a model's blocks are chained. */
  stack<const L extends Readonly<Record<string, AnyLayer>>>(layers: L): SequenceOf<L>;
  /** Around a layer that is no block. */
  layer<P extends Tree, S extends Tree>(layer: Layer<P, S>): Layer<P, S>;
  /** Around where activations become a loss. */
  head<P extends Tree>(head: Head<P>): Head<P>;
}

/** Nothing around anything. */
export const bare: Wrapping = {
  source: (source) => source,
  stack: sequence,
  layer: (layer) => layer,
  head: (head) => head,
};
