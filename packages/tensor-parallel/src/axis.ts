// The tensor-parallel axis: completes gradients once a step, and gathers full parameters.

import { concat, reshape, slice, sum, tidy, type Tensor } from "@tensorflow/tfjs-core";
import type { ProcessGroup } from "@tessera/collectives";
import type { TensorParallel } from "@tessera/layers/parallel";
import {
  disposeTree,
  leafAt,
  leaves,
  mapTree,
  replicaCount,
  type Leaf,
  type Like,
  type ParamSpec,
  type Tree,
} from "@tessera/params";
import { claim, type Placed, type Placement, type Sharded } from "@tessera/params/placement";
import { alreadyComplete, conversions, type ParallelAxis } from "@tessera/parallel";
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
      if (group.size === 1) return alreadyComplete(gradients);
      const sums = allReduceLeaves(group, gradients, isUnshardedTerm);
      return mapTree(gradients, (leaf: Tensor, path) => {
        const sum = sums.get(path);
        if (sum !== undefined) leaf.dispose();
        else if (isTerm(path)) return reduceReplicas(group, replicas(path), leaf);
        return sum ?? claim<"invariant", "this">(leaf);
      });
    },
    gather(shard) {
      const full = unshardParams(shard as P, spec, group);
      disposeTree(shard);
      return full;
    },
  };
}

/** Those leaves of `tree` that `isTerm` selects, summed over all ranks in one all-reduce, by path. Borrows `tree`. */
function allReduceLeaves(
  group: ProcessGroup,
  tree: Tree,
  isTerm: (path: string) => boolean,
): ReadonlyMap<string, Placed<"invariant", "this">> {
  const terms = leaves<Tensor>(tree).filter(([path]) => isTerm(path));
  if (terms.length === 0) return new Map();
  const flat = claim<"partial", "this">(
    tidy(() => concat(terms.map(([, leaf]) => reshape(leaf, [-1])))),
  );
  const total = conversions<"this">(group).allReduce(flat).wait();
  flat.dispose();
  const sums = unflatten(total, terms);
  total.dispose();
  return sums;
}

/** Consecutive parts of `flat`, with the paths and shapes of `like`. Borrows `flat`. */
function unflatten<P extends Placement>(
  flat: Placed<P, "this">,
  like: readonly Leaf<Tensor>[],
): Map<string, Placed<P, "this">> {
  let offset = 0;
  return new Map(
    like.map(([path, { shape, size }]) => {
      const start = offset;
      offset += size;
      return [path, claim<P, "this">(tidy(() => reshape(slice(flat, [start], [size]), shape)))];
    }),
  );
}

/** The sum of `leaf` over the `count` neighbouring ranks that hold replicas of it. Consumes `leaf`. */
function reduceReplicas(
  group: ProcessGroup,
  count: number,
  leaf: Tensor,
): Placed<"invariant", "this"> {
  const row = claim<Sharded<"ranks">, "this">(reshape(leaf, [1, ...leaf.shape]));
  const all = conversions<"this">(group).allGather(row, 0).wait();
  const first = Math.floor(group.rank / count) * count;
  const total = sumRange(all, first, count);
  for (const x of [leaf, row, all]) x.dispose();
  return total;
}

/** The sum of `count` rows of `all`, which has a row of each rank, from row `first`. */
const sumRange = (all: Placed<"replicated", "this">, first: number, count: number) =>
  tidy(() => {
    const start = all.shape.map((_, dim) => (dim === 0 ? first : 0));
    return claim<"invariant", "this">(
      sum<Tensor>(slice(all, start, [count, ...all.shape.slice(1)]), 0),
    );
  });
