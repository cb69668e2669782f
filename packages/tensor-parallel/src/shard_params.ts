// Parameters, and whatever is shaped like them, between the whole and the ranks' shares.

import { concat, pad, slice, split as splitTensor, tidy } from "@tensorflow/tfjs-core";
import type { ProcessGroup } from "@tessera/collectives";
import {
  replicaCount,
  leaves,
  mapTensors,
  shardSlice,
  type Like,
  type ParamSpec,
  type Tree,
} from "@tessera/params";
import type { ShardIndex } from "@tessera/mesh";

/** The share of `whole`, a tree as `spec` describes it, that `part` holds. Uses up `whole`. */
export function shardParams<P extends Tree>(
  whole: P,
  spec: Like<P, ParamSpec>,
  shard: ShardIndex,
): P {
  const specs = new Map(leaves<ParamSpec>(spec));
  return mapTensors(whole, (leaf, path) => {
    const { start, size } = shardSlice(specs.get(path)!, shard, path);
    const share = slice(leaf, [...start], [...size]);
    leaf.dispose();
    return share;
  });
}

/** The whole, on every rank of `group`, which all call this. Borrows `share`. */
export function unshardParams<P extends Tree>(
  share: P,
  spec: Like<P, ParamSpec>,
  group: ProcessGroup,
): P {
  const specs = new Map(leaves<ParamSpec>(spec));
  return mapTensors(share, (leaf, path) => {
    const { shape, partition } = specs.get(path)!;
    if (partition === null || group.size === 1) return leaf.clone();
    const { dim } = partition;
    const copies = replicaCount(partition, group.size);
    // Ragged shares are padded to the size of the first, which is the largest.
    const { size } = shardSlice(specs.get(path)!, { index: 0, count: group.size }, path);
    const missing = size[dim]! - leaf.shape[dim]!;
    const padded = tidy(() =>
      missing === 0
        ? leaf.clone()
        : pad(
            leaf,
            leaf.shape.map((_, d) => [0, d === dim ? missing : 0]),
          ),
    );
    const all = group.allGather(padded, dim).wait();
    padded.dispose();
    const whole = tidy(() => {
      const distinct =
        copies === 1
          ? all
          : concat(
              splitTensor(all, group.size, dim).filter((_one, rank) => rank % copies === 0),
              dim,
            );
      return slice(
        distinct,
        shape.map(() => 0),
        [...shape],
      );
    });
    all.dispose();
    return whole;
  });
}
