// A parallel axis: ranks that divide a run's work in one way, and what they owe each other. Training, clipping,
// checkpoints, evaluation and logging fold over a list of axes; none of them knows which there are.

import type { ProcessGroup } from "@tessera/collectives";
import type { Tree } from "@tessera/params";
import type { ShardIndex } from "@tessera/mesh";

export interface ParallelAxis {
  /** "data", "tensor", "pipeline", or a name of your own. */
  readonly name: string;
  /** This rank and those that differ from it along this axis alone. */
  readonly group: ProcessGroup;
  /**
   * What of a step's batch its ranks see. `samples`: each has samples of its own. `terms`: all have the same
   * samples, but each computes some terms of their loss, as pipeline stages do. `same`: all compute the whole loss.
   */
  readonly batch: "samples" | "terms" | "same";
  /**
   * Sums the gradients of parameters of which ranks along this axis computed terms. A tree of gradients is one of
   * parameters, or of flat buckets under the path of their first parameter. Consumes `gradients`.
   */
  completeGradients(gradients: Tree): Tree;
  /** Which replica of the parameter at `path` this rank holds, of those along this axis. */
  replica(path: string): ShardIndex;
  /**
   * What this rank's `shard` (parameters, or what is shaped like them) becomes with those of all ranks along this
   * axis, on each of them. Consumes `shard`.
   */
  gather(shard: Tree): Tree;
}

/** An axis along which every rank holds and computes the same, as along one of a single rank. */
export const replicatedAxis = (name: string, group: ProcessGroup): ParallelAxis => ({
  name,
  group,
  batch: "same",
  completeGradients: (gradients) => gradients,
  replica: () => ({ index: group.rank, count: group.size }),
  gather: (shard) => shard,
});
