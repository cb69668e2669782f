// What tensor parallelism changes about a model. The model says which stretches ranks may split, and
// where its vocabulary is; the region decides what is sent there, and who holds which part.

import { UNSHARDED, type ShardIndex } from "@tessera/mesh";
import {
  lmHead,
  type LmHead,
  type InputEmbedding,
  type LmHeadOptions,
  type LmHeadParams,
} from "./lm_head.js";
import type { Layer } from "./layer.js";
import type { Tree } from "@tessera/params";

export interface TensorParallel {
  /** The part of the heads, columns and vocabulary that this rank holds inside the stretches. */
  readonly weightShard: ShardIndex;
  /** The part of the tokens of each sequence that this rank holds outside of them. */
  readonly tokenShard: ShardIndex;
  /**
   * A stretch: `layer` takes x whole, and its y are partial sums where ranks hold parts of its
   * parameters. The result takes and gives what a rank holds outside.
   */
  wrap<P extends Tree, S extends Tree>(layer: Layer<P, S>): Layer<P, Tree>;
  /** The same for where ids become activations, of which `source` makes partial sums. */
  wrapEmbedding<P extends Tree, S extends Tree>(
    wrapEmbedding: InputEmbedding<P, S>,
  ): InputEmbedding<P, S>;
  /** Logits by a table [vocabulary, width] whose rows ranks may share, then cross-entropy. */
  lmHead(options: LmHeadOptions): LmHead<LmHeadParams>;
}

/** Nothing is split, nothing is sent. */
export const noTensorParallel: TensorParallel = {
  weightShard: UNSHARDED,
  tokenShard: UNSHARDED,
  wrap: (layer) => layer,
  wrapEmbedding: (source) => source,
  lmHead: lmHead,
};
