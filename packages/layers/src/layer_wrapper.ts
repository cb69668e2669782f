// What a parallel strategy wraps around the layers of a model, as FSDP does. The model's code stays the same.

import type { Tree } from "@tessera/params";
import { stack, type LayerOf } from "./chain.js";
import type { Layer } from "./layer.js";
import type { InputEmbedding, LmHead } from "./lm_head.js";

/** Wraps the layers of a model. Parameters stay under the same names. */
export interface LayerWrapper {
  /** Wraps the input embedding. */
  embedding<P extends Tree, S extends Tree>(embedding: InputEmbedding<P, S>): InputEmbedding<P, S>;
  /** Runs a model's blocks in order. */
  stack<const L extends Readonly<Record<string, Layer<Tree, Tree>>>>(layers: L): LayerOf<L>;
  /** Wraps a layer outside of the blocks. */
  layer<P extends Tree, S extends Tree>(layer: Layer<P, S>): Layer<P, S>;
  /** Wraps the head. */
  head<P extends Tree>(head: LmHead<P>): LmHead<P>;
}

/** Wraps nothing. */
export const identityWrapper: LayerWrapper = {
  embedding: (embedding) => embedding,
  stack,
  layer: (layer) => layer,
  head: (head) => head,
};
