// Full parameters, and trees shaped like them, to and from tensor-parallel shards.

import { concat, pad, slice, split, tidy, type Tensor } from "@tensorflow/tfjs-core";
import type { ProcessGroup } from "@tessera/collectives";
import type { ShardIndex } from "@tessera/mesh";
import {
  leaves,
  mapTensors,
  replicaCount,
  shardSlice,
  type Like,
  type ParamSpec,
  type Tree,
} from "@tessera/params";

/** `shard` of the full parameters. Consumes `full`. */
export function shardParams<P extends Tree>(
  full: P,
  spec: Like<P, ParamSpec>,
  shard: ShardIndex,
): P {
  const specs = new Map(leaves<ParamSpec>(spec));
  return mapTensors(full, (leaf, path) => {
    const { start, size } = shardSlice(specs.get(path)!, shard, path);
    const local = slice(leaf, [...start], [...size]);
    leaf.dispose();
    return local;
  });
}

/** The full parameters, on every rank of `group`. A collective call. Borrows `local`. */
export function unshardParams<P extends Tree>(
  local: P,
  spec: Like<P, ParamSpec>,
  group: ProcessGroup,
): P {
  const specs = new Map(leaves<ParamSpec>(spec));
  return mapTensors(local, (leaf, path) => {
    const { shape, partition } = specs.get(path)!;
    if (partition === null || group.size === 1) return leaf.clone();
    const { dim } = partition;
    // Uneven shards are padded to the size of the first, which is the largest.
    const { size } = shardSlice(specs.get(path)!, { index: 0, count: group.size }, path);
    const padded = padTo(leaf, size[dim]!, dim);
    const all = group.allGather(padded, dim).wait();
    padded.dispose();
    const replicas = replicaCount(partition, group.size);
    const full = tidy(() =>
      slice(
        dropReplicas(all, { dim, replicas, ranks: group.size }),
        shape.map(() => 0),
        [...shape],
      ),
    );
    all.dispose();
    return full;
  });
}

/** x padded with zeros to `extent` along `dim`. */
function padTo(x: Tensor, extent: number, dim: number): Tensor {
  const missing = extent - x.shape[dim]!;
  if (missing === 0) return x.clone();
  return tidy(() =>
    pad(
      x,
      x.shape.map((_, d) => [0, d === dim ? missing : 0]),
    ),
  );
}

/** The first of each `replicas` neighbouring ranks' shards, concatenated along `dim`. */
function dropReplicas(
  all: Tensor,
  { dim, replicas, ranks }: Readonly<Record<"dim" | "replicas" | "ranks", number>>,
): Tensor {
  if (replicas === 1) return all;
  const distinct = split(all, ranks, dim).filter((_shard, rank) => rank % replicas === 0);
  return concat(distinct, dim);
}
