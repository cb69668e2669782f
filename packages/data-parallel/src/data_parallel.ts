// A data-parallel strategy: which rank stores which parameters, gradients and optimizer state. Training calls it at
// four points of a step, and is otherwise the same on one rank and on many.

import type { GradientSink, ShardLayout, Tree, TreeOf } from "@tessera/params";
import type { Placed, Sharded } from "@tessera/params/placement";
import {
  alreadyComplete,
  type CompleteGradients,
  type ParallelAxis,
  type PartialGradients,
} from "@tessera/parallel";

/** What ranks have of a sum over all of them: the sum, or each its shard of the elements. */
export type Reduced = Placed<"invariant" | Sharded<"elements">, "data">;

/** Sums over data-parallel ranks, which other axes may have to complete. */
export const gradientsOf = (sums: Tree): PartialGradients => sums as PartialGradients;

/**
 * In which order the terms of a gradient are added. `fixed`: in that of the global batch, each microbatch's term whole, so
 * that the bits are the same under any data layout. `free`: each rank adds up what it has before it is reduced.
 */
export type SumOrder = "fixed" | "free";

/** Reduces the gradients of one step over ranks. */
export interface GradientReducer<P extends Tree> {
  /**
   * The sink of the backward pass of the next microbatch, or of its pass through one of the rank's chunks; `isLast`: of
   * the step's last one.
   */
  readonly sink: (isLast: boolean) => GradientSink<P>;
  /** This rank's optimizer shards of the sums over microbatches and ranks. The caller owns them. */
  readonly finish: () => PartialGradients;
}

/**
 * _Full_ parameters have all elements. _Local_ ones are what a rank stores between steps and computes with.
 * _Optimizer shards_ are what a rank's optimizer updates. Every method is a collective call: all ranks of the group
 * call it, in the same order.
 */
export interface DataParallel<P extends Tree> extends ParallelAxis {
  /** Which elements of which parameters this rank's optimizer shards contain; keyed like the shards. */
  readonly layouts: TreeOf<ShardLayout>;
  createReducer(local: P): GradientReducer<P>;
  /**
   * The exact sum of squares of `gradients` over all ranks of the group, as the kernel `sumOfSquares` gives it. Of
   * parameters that are replicated along other axes, one replica `counts`.
   */
  sumOfSquares(
    gradients: CompleteGradients,
    counts: (path: string) => boolean,
  ): Placed<"invariant", "data">;
  /** Full to local. Consumes `full`. */
  shardParams(full: P): P;
  /** Local to optimizer shards. Consumes `local`. */
  toOptimizer(local: P): Tree;
  /** Optimizer shards to local. Consumes `shards`. */
  fromOptimizer(shards: Tree): P;
  /** Local to full, on every rank. Borrows `local`. */
  gatherParams(local: P): P;
  /** Optimizer shards, of parameters or of a slot of optimizer state, to full. Borrows `shards`. */
  gatherFromOptimizer(shards: Tree): Tree;
}

/** What all strategies have in common as an axis: gradients are complete once reduced. */
export const dataAxis = (group: ParallelAxis["group"]) =>
  ({
    name: "data",
    group,
    batch: "samples",
    completeGradients: alreadyComplete,
    gather: (full: Tree) => full,
  }) as const;
