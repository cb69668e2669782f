// What the ranks of a tensor-parallel group do with gradients once a step. A tree of gradients is one of
// parameters, or of flat buckets of them that are alike, each under the path of its first parameter.

import { concat, reshape, slice, sum, tidy, type Tensor } from "@tensorflow/tfjs-core";
import { singleGroup, type ProcessGroup } from "@tessera/collectives";
import {
  replicaCount,
  leafAt,
  leaves,
  mapTensors,
  type ParamSpec,
  type TensorParallel,
  type Tree,
  type TreeOf,
} from "@tessera/layers";
import { UNSHARDED, type ShardIndex } from "@tessera/mesh";

export interface TensorAxis {
  readonly group: ProcessGroup;
  /** Of parameters that several ranks hold, the sums over those ranks' gradients. Uses them up. */
  readonly complete: (gradients: Tree) => Tree;
  /** Which of the copies of the leaf at `path` this rank has. */
  readonly copy: (path: string) => ShardIndex;
}

export const partOf = ({ group }: TensorAxis): ShardIndex => ({
  index: group.rank,
  count: group.size,
});

/** One rank that holds everything. */
export const alone: TensorAxis = {
  group: singleGroup(0, "tensor"),
  complete: (gradients) => gradients,
  copy: () => UNSHARDED,
};

/** Of a model made with `tensorParallel`, whose parameters `spec` describes. */
export function tensorAxis(
  spec: TreeOf<ParamSpec>,
  tensorParallel: Pick<TensorParallel, "tokenShard">,
  group: ProcessGroup,
): TensorAxis {
  const leafOf = (path: string): ParamSpec => leafAt<ParamSpec>(spec, path)!;
  const copies = (path: string): number => {
    const { partition } = leafOf(path);
    return partition === null ? group.size : replicaCount(partition, group.size);
  };
  /** Whether a rank's gradient is a part: where it computes parts of a sum, or sees part of the tokens. */
  const isPart = (path: string): boolean =>
    copies(path) > 1 &&
    (leafOf(path).isTensorParallel === true || tensorParallel.tokenShard.count > 1);
  const isWholePart = (path: string): boolean => isPart(path) && leafOf(path).partition === null;
  return {
    group,
    copy: (path) => ({ index: group.rank % copies(path), count: copies(path) }),
    complete(gradients) {
      if (group.size === 1) return gradients;
      const summed = allReduceLeaves(group, gradients, isWholePart);
      return mapTensors(summed, (leaf, path) =>
        isPart(path) && !isWholePart(path) ? reduceReplicas(group, copies(path), leaf) : leaf,
      );
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
