// What tensor parallelism changes in a model. The model wraps its tensor-parallel regions (attention, MLP) and its
// two ends; an implementation decides what is communicated there, and which shard this rank has.

import { UNSHARDED } from "@tessera/mesh";
import type { Tree } from "@tessera/params";
import { claim } from "@tessera/params/placement";
import type { TokenShard } from "./dropout.js";
import type { Layer, LayerBody } from "./layer.js";
import { defineRegion, type Region } from "./pre_norm.js";
import type { WeightShard } from "./linear.js";
import {
  lmHead,
  type InputEmbedding,
  type LmHead,
  type LmHeadOptions,
  type LmHeadParams,
} from "./lm_head.js";

/** Tensor parallelism of a model on one rank. */
export interface TensorParallel {
  /** This rank's shard of heads, columns and vocabulary inside tensor-parallel regions. */
  readonly weightShard: WeightShard;
  /** This rank's shard of the tokens of each sequence outside of them, in sequence parallelism. */
  readonly tokenShard: TokenShard;
  /**
   * Makes `layer` a tensor-parallel region. `layer` takes all tokens, and its outputs are partial sums over the
   * ranks. The result takes and returns the tokens of `tokenShard`, summed.
   */
  wrap<P extends Tree, S extends Tree>(layer: Layer<P, S, "replicated", "partial">): Region<P>;
  /** The same for the input embedding, whose outputs are partial sums over the shards of the vocabulary. */
  wrapEmbedding<P extends Tree, S extends Tree>(
    embedding: InputEmbedding<P, S, "partial">,
  ): InputEmbedding<P, S>;
  /** An LM head whose table [vocabulary, width] is sharded over the vocabulary. */
  lmHead(options: LmHeadOptions): LmHead<LmHeadParams>;
}

/** One rank computes everything, and communicates nothing. */
export const noTensorParallel: TensorParallel = {
  weightShard: UNSHARDED,
  tokenShard: UNSHARDED,
  wrap: <P extends Tree, S extends Tree>(layer: LayerBody<P, S>) => defineRegion<P>(layer),
  wrapEmbedding: (embedding) => ({
    spec: embedding.spec,
    forward(params, ids, ctx) {
      const [y, saved] = embedding.forward(params, ids, ctx);
      return [claim(y), saved];
    },
    backward: (params, saved, dy, sink, ctx) =>
      embedding.backward(params, saved, claim(dy), sink, ctx),
  }),
  lmHead,
};
