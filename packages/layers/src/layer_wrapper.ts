// What a strategy puts around the parts of a model, which themselves do not change.

import type { LmHead, InputEmbedding } from "./lm_head.js";
import { sequence, type AnyLayer, type Layer, type SequenceOf } from "./layer.js";
import type { Tree } from "@tessera/params";

export interface LayerWrapper {
  /** Around where ids become activations. */
  embedding<P extends Tree, S extends Tree>(embedding: InputEmbedding<P, S>): InputEmbedding<P, S>;
  /** How a model's blocks are chained. */
  sequence<const L extends Readonly<Record<string, AnyLayer>>>(layers: L): SequenceOf<L>;
  /** Around a layer that is no block. */
  layer<P extends Tree, S extends Tree>(layer: Layer<P, S>): Layer<P, S>;
  /** Around where activations become a loss. */
  head<P extends Tree>(head: LmHead<P>): LmHead<P>;
}

/** Nothing around anything. */
export const identityWrapper: LayerWrapper = {
  embedding: (embedding) => embedding,
  sequence: sequence,
  layer: (layer) => layer,
  head: (head) => head,
};
