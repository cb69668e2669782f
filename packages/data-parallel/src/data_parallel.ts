// What a data-parallel strategy is: who holds which gradients, weights and moments. Training asks it
// at four places in a step, and is otherwise the same on one rank and on many.

import type { Tensor } from "@tensorflow/tfjs-core";
import type { ProcessGroup } from "@tessera/collectives";
import type { ShardLayout, GradientSink, Tree, TreeOf } from "@tessera/layers";
import type { ShardIndex } from "@tessera/mesh";

/** The gradients of one step. */
export interface GradientReducer<P extends Tree> {
  /** Where a backward pass sends gradients; `isLast` says that the step's last pass fills it. */
  readonly sink: (isLast: boolean) => GradientSink<P>;
  /** This rank's share of the sums over micro-batches and ranks. The caller owns it. */
  readonly finish: () => Tree;
}

/**
 * A tree is _whole_ where all parameters are there, _held_ where it is what a rank keeps between steps
 * and computes with, _owned_ where it is what a rank's optimizer steps. Every method is called by all
 * ranks of the group, in the same order.
 */
export interface DataParallel<P extends Tree> {
  readonly group: ProcessGroup;
  /** Whether a rank keeps only what it owns of the gradients. */
  readonly shardsGradients: boolean;
  /** What this rank owns: shaped like a tree of it. */
  readonly layouts: TreeOf<ShardLayout>;
  /** Which of the copies of that this rank has. */
  readonly replica: ShardIndex;
  readonly createReducer: (held: P) => GradientReducer<P>;
  /**
   * The sum of squares of the gradients that all ranks of the group own, together: a scalar. Each leaf
   * counts `share` of its path: less than one where ranks of other groups own the same.
   */
  readonly sumOfSquares: (gradients: Tree, share: (path: string) => number) => Tensor;
  /** Whole to held. Uses up `whole`. */
  readonly shardParams: (gatherParams: P) => P;
  /** Held to owned. Uses up `held`. */
  readonly toOptimizer: (held: P) => Tree;
  /** Owned to held. Uses up `owned`. */
  readonly fromOptimizer: (owned: Tree) => P;
  /** Held to whole, on every rank. Borrows `held`. */
  readonly gatherParams: (held: P) => P;
  /** Owned, of parameters or of a slot of the optimizer, to whole, on every rank. Borrows `owned`. */
  readonly gatherFromOptimizer: (owned: Tree) => P;
}
