// The interface of a parallel axis: one way of dividing a run over ranks. Training, clipping, checkpoints, evaluation and
// logging fold over a list of axes, without knowing which there are.

import type { ProcessGroup } from "@tessera/collectives";
import type { ShardIndex } from "@tessera/mesh";
import type { Tree, TreeOf } from "@tessera/params";
import type { Placed } from "@tessera/params/placement";

/** Gradients of which some are terms of sums over ranks of the run. */
export type PartialGradients = TreeOf<Placed<"partial", "run">>;
/** Gradients that are the same, or have the same shards, whatever the layout of the run. */
export type CompleteGradients = TreeOf<Placed<"invariant", "run">>;
/** Gradients that are complete along one axis: "this" one. */
export type CompleteAlongThis = TreeOf<Placed<"invariant", "this">>;

/** `gradients`, of which the caller says that this axis has nothing to add up. */
export const alreadyComplete = (gradients: Tree): CompleteAlongThis =>
  gradients as CompleteAlongThis;

/** One rank along a parallel axis. */
export interface ParallelAxis {
  /** "data", "tensor", "pipeline", or a custom name. */
  readonly name: string;
  /** The process group along this axis: this rank, and those with the same position along all others. */
  readonly group: ProcessGroup;
  /**
   * How the batch of a step is divided over its ranks. `samples`: each has different samples. `terms`: all have the
   * same samples, and each computes some terms of the loss, as pipeline stages do. `same`: all compute the same loss.
   */
  readonly batch: "samples" | "terms" | "same";
  /**
   * All-reduces those gradients that are partial sums along this axis. `gradients` has the shape of the parameters, or
   * is flat buckets under the path of their first parameter. Consumes `gradients`.
   */
  completeGradients(gradients: Tree): CompleteAlongThis;
  /** Which replica of the parameter at `path` this rank has, of those along this axis. */
  replica(path: string): ShardIndex;
  /**
   * Gathers the shards of all ranks along this axis, on each of them. `shard` is parameters, or a tree of their shape.
   * Consumes `shard`.
   */
  gather(shard: Tree): Tree;
}

/** An axis whose ranks all have and compute the same: replicas, or a single rank. */
export const replicatedAxis = (name: string, group: ProcessGroup): ParallelAxis => ({
  name,
  group,
  batch: "same",
  completeGradients: alreadyComplete,
  replica: () => ({ index: group.rank, count: group.size }),
  gather: (shard) => shard,
});
