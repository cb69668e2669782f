// What a data-parallel strategy is: who holds which weights, gradients and optimizer state. Training asks it at
// four places in a step, and is otherwise the same on one rank and on many.

import type { Tensor } from "@tensorflow/tfjs-core";
import type { GradientSink, ShardLayout, Tree, TreeOf } from "@tessera/params";
import type { ParallelAxis } from "@tessera/parallel";

/** Reduces the gradients of one step over ranks. */
export interface GradientReducer<P extends Tree> {
  /** Where a backward pass sends gradients; `isLast` says that it is the step's last pass. */
  readonly sink: (isLast: boolean) => GradientSink<P>;
  /** This rank's optimizer shards of the sums over microbatches and ranks. The caller owns them. */
  readonly finish: () => Tree;
}

/**
 * Parameters are _full_ where all of their elements are there, _local_ as a rank keeps them between steps and
 * computes with them, _optimizer shards_ where they are what a rank's optimizer updates. Every method is called by
 * all ranks of the group, in the same order.
 */
export interface DataParallel<P extends Tree> extends ParallelAxis {
  /** Whether a rank keeps its optimizer shards of the gradients alone. */
  readonly shardsGradients: boolean;
  /** What of which parameters this rank's optimizer shards hold: shaped like a tree of them. */
  readonly layouts: TreeOf<ShardLayout>;
  createReducer(local: P): GradientReducer<P>;
  /**
   * The sum of squares of the gradients that all ranks of the group hold together: a scalar. Each leaf counts by
   * `weight` of its path, which is less than one where ranks of other groups hold the same.
   */
  sumOfSquares(gradients: Tree, weight: (path: string) => number): Tensor;
  /** Full to local. Consumes `full`. */
  shardParams(full: P): P;
  /** Local to optimizer shards. Consumes `local`. */
  toOptimizer(local: P): Tree;
  /** Optimizer shards to local. Consumes `shards`. */
  fromOptimizer(shards: Tree): P;
  /** Local to full, on every rank. Borrows `local`. */
  gatherParams(local: P): P;
  /** Optimizer shards, of parameters or of those that have a slot of the optimizer, to full. Borrows `shards`. */
  gatherFromOptimizer(shards: Tree): Tree;
}

/** What all strategies have in common as axes: gradients are complete when the reducer has them. */
export const dataAxis = (group: ParallelAxis["group"]) =>
  ({
    name: "data",
    group,
    batch: "samples",
    completeGradients: (gradients: Tree) => gradients,
    gather: (full: Tree) => full,
  }) as const;
