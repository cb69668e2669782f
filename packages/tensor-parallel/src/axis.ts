// What the ranks of a tensor-parallel group do with gradients once a step, and with parameters to join them.

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

/** Of a model made with `tensorParallel`, whose parameters `spec` describes. */
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
  /** Whether a rank's gradient is a term of a sum: where it computes partial sums, or sees some of the tokens. */
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
      const summed = allReduceLeaves(group, gradients, isUnshardedTerm);
      return mapTensors(summed, (leaf, path) =>
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

/** `tree`, with the leaves at some paths summed over all ranks, in one call. Uses it up. */
function allReduceLeaves(group: ProcessGroup, tree: Tree, at: (path: string) => boolean): Tree {
  const parts = leaves<Tensor>(tree).filter(([path]) => at(path));
  if (parts.length === 0) return tree;
  const flat = tidy(() => concat(parts.map(([, leaf]) => reshape(leaf, [-1]))));
  const total = group.allReduce(flat).wait();
  flat.dispose();
  let first = 0;
  const sums = new Map(
    parts.map(([path, { shape, size }]) => {
      const from = first;
      first += size;
      return [path, tidy(() => reshape(slice(total, [from], [size]), shape))] as const;
    }),
  );
  total.dispose();
  return mapTensors(tree, (leaf, path) => {
    const total = sums.get(path);
    if (total !== undefined) leaf.dispose();
    return total ?? leaf;
  });
}

/** The sum of `leaf` over this rank and its neighbours, `copies` in all. Uses it up. */
function reduceReplicas(group: ProcessGroup, copies: number, leaf: Tensor): Tensor {
  const row = reshape(leaf, [1, ...leaf.shape]);
  const all = group.allGather(row, 0).wait();
  const first = Math.floor(group.rank / copies) * copies;
  const total = tidy(() => {
    const start = all.shape.map((_, dim) => (dim === 0 ? first : 0));
    return sum<Tensor>(slice(all, start, [copies, ...leaf.shape]), 0);
  });
  for (const spent of [leaf, row, all]) spent.dispose();
  return total;
}
