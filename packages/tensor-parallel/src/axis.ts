// The tensor-parallel axis: completes gradients once a step, and gathers full parameters.

import { concat, reshape, slice, sum, tidy, type Tensor } from "@tensorflow/tfjs-core";
import type { ProcessGroup } from "@tessera/collectives";
import type { TensorParallel } from "@tessera/layers/parallel";
import {
  disposeTree,
  leafAt,
  leaves,
  mapTensors,
  replicaCount,
  type Like,
  type ParamSpec,
  type Tree,
} from "@tessera/params";
import type { ParallelAxis } from "@tessera/parallel";
import { unshardParams } from "./shard_params.js";

/**
 * The axis of a model that was built with `tensorParallel` or `sequenceParallel` of the same group.
 * `spec`: the model's parameter specs. `tokenShard`: its `TensorParallel.tokenShard`.
 */
export function tensorAxis<P extends Tree>(
  spec: Like<P, ParamSpec>,
  { tokenShard }: Pick<TensorParallel, "tokenShard">,
  group: ProcessGroup,
): ParallelAxis {
  const specAt = (path: string): ParamSpec => leafAt<ParamSpec>(spec, path)!;
  const replicas = (path: string): number => {
    const { partition } = specAt(path);
    return partition === null ? group.size : replicaCount(partition, group.size);
  };
  /** Whether a rank's gradient is one term of a sum, since it is of partial sums or of a shard of the tokens. */
  const isTerm = (path: string): boolean =>
    replicas(path) > 1 && (specAt(path).isTensorParallel === true || tokenShard.count > 1);
  const isUnshardedTerm = (path: string): boolean =>
    isTerm(path) && specAt(path).partition === null;
  return {
    name: "tensor",
    group,
    batch: "same",
    replica: (path) => ({ index: group.rank % replicas(path), count: replicas(path) }),
    completeGradients(gradients) {
      if (group.size === 1) return gradients;
      const reduced = allReduceLeaves(group, gradients, isUnshardedTerm);
      return mapTensors(reduced, (leaf, path) =>
        isTerm(path) && !isUnshardedTerm(path) ? reduceReplicas(group, replicas(path), leaf) : leaf,
      );
    },
    gather(shard) {
      const full = unshardParams(shard as P, spec, group);
      disposeTree(shard);
      return full;
    },
  };
}

/** `tree` with the leaves that `isReduced` selects summed over all ranks, in one all-reduce. Consumes `tree`. */
function allReduceLeaves(
  group: ProcessGroup,
  tree: Tree,
  isReduced: (path: string) => boolean,
): Tree {
  const terms = leaves<Tensor>(tree).filter(([path]) => isReduced(path));
  if (terms.length === 0) return tree;
  const flat = tidy(() => concat(terms.map(([, leaf]) => reshape(leaf, [-1]))));
  const total = group.allReduce(flat).wait();
  flat.dispose();
  const sums = new Map<string, Tensor>();
  let offset = 0;
  for (const [path, { shape, size }] of terms) {
    const start = offset;
    sums.set(
      path,
      tidy(() => reshape(slice(total, [start], [size]), shape)),
    );
    offset += size;
  }
  total.dispose();
  return mapTensors(tree, (leaf, path) => {
    const sum = sums.get(path);
    if (sum !== undefined) leaf.dispose();
    return sum ?? leaf;
  });
}

/** The sum of `leaf` over the `count` neighbouring ranks that hold replicas of it. Consumes `leaf`. */
function reduceReplicas(group: ProcessGroup, count: number, leaf: Tensor): Tensor {
  const row = reshape(leaf, [1, ...leaf.shape]);
  const all = group.allGather(row, 0).wait();
  const first = Math.floor(group.rank / count) * count;
  const total = tidy(() => {
    const start = all.shape.map((_, dim) => (dim === 0 ? first : 0));
    return sum<Tensor>(slice(all, start, [count, ...leaf.shape]), 0);
  });
  for (const x of [leaf, row, all]) x.dispose();
  return total;
}
