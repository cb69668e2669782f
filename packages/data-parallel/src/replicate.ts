// ZeRO stages 0 to 2 (Rajbhandari et al., 2020): every rank has all weights. Optimizer state is sharded from stage 1
// on, gradients in stage 2.

import type { Tensor } from "@tensorflow/tfjs-core";
import type { ProcessGroup } from "@tessera/collectives";
import {
  clipRange,
  createSink,
  disposeTree,
  filterTree,
  leaves,
  mapTensors,
  mapTree,
  shardLayout,
  type Like,
  type ParamSpec,
  type ShardLayout,
  type Tree,
  type TreeOf,
} from "@tessera/params";
import { frozenIn, type IsFrozen } from "@tessera/params/frozen";
import { UNSHARDED, type ShardIndex } from "@tessera/mesh";
import { conversions } from "@tessera/parallel";
import { planBuckets, type Bucket } from "./buckets.js";
import { createBucketReducer } from "./bucket_reducer.js";
import { pack, takeShard, unpack as unpackBucket } from "./flat_buffer.js";
import { sumSquares } from "./sum_squares.js";
import {
  dataAxis,
  gradientsOf,
  type DataParallel,
  type GradientReducer,
  type SumOrder,
} from "./data_parallel.js";
import { createLocalReducer } from "./local_reducer.js";
import { createOrderedReducer } from "./ordered_reducer.js";
import { createPendingReductions } from "./pending_reductions.js";

/** ZeRO stage and buckets. */
export interface ReplicateOptions {
  /** What is sharded. 0: nothing. 1: optimizer state. 2: optimizer state and gradients. */
  readonly stage: 0 | 1 | 2;
  /** Smaller parameters share buckets of about this size; others are reduced alone, uncopied. Default: 1 MiB. */
  readonly bucketBytes?: number;
  /** This rank's tensor-parallel shard. Default: unsharded. */
  readonly shard?: ShardIndex;
  /** Index of a parameter's optimizer group; groups share no bucket. Default: all parameters are in one group. */
  readonly groupOf?: (path: string) => number;
  /** In which order gradients are summed. Default: fixed. */
  readonly sumOrder?: SumOrder;
}

/** Default of `bucketBytes`: 1 MiB. */
export const DEFAULT_BUCKET_BYTES = 2 ** 20;

/** Flat tensors, keyed by bucket; and frozen parameters, which are in none, by their paths. */
type FlatBuffers = Readonly<Record<string, Tensor>>;

/** Replicates weights on all ranks of `group`; gradient reductions overlap with backward. */
export function replicate<P extends Tree>(
  spec: Like<P, ParamSpec>,
  group: ProcessGroup,
  options: ReplicateOptions,
): DataParallel<P> {
  const { stage, bucketBytes = DEFAULT_BUCKET_BYTES, shard = UNSHARDED, groupOf } = options;
  const { sumOrder = "fixed" } = options;
  const buckets = planBuckets(spec, {
    shard,
    ...(groupOf && { groupOf }),
    ranks: group.size,
    bytes: bucketBytes,
  });
  const isSharded = stage > 0 && group.size > 1;
  const isFrozen = frozenIn(spec);

  const unpack = (buffers: FlatBuffers): Tree => unpackBuckets(spec, buckets, buffers);
  const gatherAll = (shards: FlatBuffers): Tree => unpack(gatherBuckets(buckets, shards, group));

  return {
    ...dataAxis(group),
    layouts: isSharded
      ? bucketLayouts(spec, buckets, { group, shard })
      : mapTree(spec as TreeOf<ParamSpec>, (leaf: ParamSpec, path) =>
          shardLayout(leaf, shard, path),
        ),
    replica: (path) =>
      isSharded && !isFrozen(path) ? UNSHARDED : { index: group.rank, count: group.size },
    createReducer(local) {
      if (group.size === 1) return createLocalReducer(local, isFrozen);
      if (sumOrder === "free") {
        return createGroupReducer(local, { buckets, group, stage, unpack, isFrozen });
      }
      const reducer = createOrderedReducer(buckets, group);
      return {
        sink() {
          reducer.begin();
          return createSink(local, reducer.receive, isFrozen);
        },
        finish() {
          const shards = reducer.finish();
          if (isSharded) return gradientsOf(shards);
          const full = gatherAll(shards);
          disposeTree(shards);
          return gradientsOf(full);
        },
      };
    },
    sumOfSquares: (gradients, counts) => sumSquares(isSharded ? group : null, gradients, counts),
    shardParams: (full) => full,
    toOptimizer: (local) => (isSharded ? shardBuckets(local, buckets, group) : local),
    fromOptimizer(shards) {
      if (!isSharded) return shards as P;
      const full = gatherAll(shards as FlatBuffers);
      disposeTree(shards);
      return full as P;
    },
    gatherParams: cloneTree,
    gatherFromOptimizer: (shards) =>
      isSharded ? gatherAll(shards as FlatBuffers) : cloneTree(shards),
  };
}

interface GroupReducerOptions {
  readonly buckets: readonly Bucket[];
  readonly group: ProcessGroup;
  readonly stage: 0 | 1 | 2;
  /** Buckets to a tree of parameters. Consumes the buckets. */
  readonly unpack: (buffers: FlatBuffers) => Tree;
  readonly isFrozen: IsFrozen;
}

/** Sums over microbatches and ranks; buckets are reduced as backward fills them. */
function createGroupReducer<P extends Tree>(
  local: P,
  { buckets, group, stage, unpack, isFrozen }: GroupReducerOptions,
): GradientReducer<P> {
  const isSharded = stage > 0;
  const convert = conversions<"data">(group);
  const reductions = createPendingReductions();
  const reducer = createBucketReducer(buckets, ({ name }, flat) => {
    const work = isSharded ? convert.reduceScatter<"elements">(flat, 0) : convert.allReduce(flat);
    reductions.add(name, work);
  });
  return {
    sink(isLast) {
      reductions.wait();
      reducer.begin(isLast || stage === 2);
      return createSink(local, reducer.receive, isFrozen);
    },
    finish() {
      reducer.flush();
      const sums: FlatBuffers = Object.fromEntries(reductions.take());
      return gradientsOf(isSharded ? sums : unpack(sums));
    },
  };
}

/** The parameters in `buffers`, as a subtree of `spec`. Consumes `buffers`. */
function unpackBuckets(
  spec: TreeOf<ParamSpec>,
  buckets: readonly Bucket[],
  buffers: FlatBuffers,
): Tree {
  const present = buckets.filter(({ name }) => Object.hasOwn(buffers, name));
  const byPath = new Map([
    ...present.flatMap((bucket) => unpackBucket(bucket, buffers[bucket.name]!)),
    ...cloneOthers(buckets, buffers),
  ]);
  disposeTree(buffers);
  const specs = filterTree<ParamSpec>(spec, (path) => byPath.has(path));
  return mapTree(specs, (_leaf: ParamSpec, path) => byPath.get(path)!);
}

/** What `buffers` has beside buckets. */
function cloneOthers(
  buckets: readonly Bucket[],
  buffers: FlatBuffers,
): readonly (readonly [path: string, param: Tensor])[] {
  const names = new Set(buckets.map(({ name }) => name));
  return Object.entries(buffers)
    .filter(([name]) => !names.has(name))
    .map(([path, param]) => [path, param.clone()]);
}

/** Full buckets; `shards` may lack some of them. Borrows `shards`. */
function gatherBuckets(
  buckets: readonly Bucket[],
  shards: FlatBuffers,
  group: ProcessGroup,
): FlatBuffers {
  const works = buckets
    .filter(({ name }) => Object.hasOwn(shards, name))
    .map(({ name }) => [name, group.allGather(shards[name]!, 0)] as const);
  return Object.fromEntries([
    ...works.map(([name, work]) => [name, work.wait()] as const),
    ...cloneOthers(buckets, shards),
  ]);
}

/** This rank's shard of each bucket, and what is in none. Consumes `local` bucket by bucket. */
function shardBuckets(local: Tree, buckets: readonly Bucket[], group: ProcessGroup): FlatBuffers {
  const byPath = new Map(leaves<Tensor>(local));
  const shards = buckets.map((bucket) => {
    const flat = pack(bucket, (path) => byPath.get(path)!);
    const shard = takeShard(flat, group.rank, group.size);
    flat.dispose();
    for (const { path } of bucket.slots) {
      byPath.get(path)!.dispose();
      byPath.delete(path);
    }
    return [bucket.name, shard] as const;
  });
  return Object.fromEntries([...shards, ...byPath]);
}

/** Which ranges of which parameters this rank's shards of buckets contain; frozen parameters are whole. */
function bucketLayouts(
  spec: TreeOf<ParamSpec>,
  buckets: readonly Bucket[],
  { group, shard }: { readonly group: ProcessGroup; readonly shard: ShardIndex },
): Readonly<Record<string, ShardLayout>> {
  const specs = new Map(leaves<ParamSpec>(spec));
  const frozen = [...specs].filter(([, { isFrozen }]) => isFrozen === true);
  return Object.fromEntries([
    ...frozen.map(([path, leaf]) => [path, shardLayout(leaf, shard, path)] as const),
    ...buckets.map(({ name, slots, size }) => {
      const shardSize = size / group.size;
      const ranges = slots.flatMap(({ path, offset }) => {
        const [full] = shardLayout(specs.get(path)!, shard, path).ranges;
        return clipRange({ ...full!, tensorOffset: offset }, group.rank, shardSize);
      });
      return [name, { shape: [shardSize], ranges }] as const;
    }),
  ]);
}

/** A tree that shares memory with `tree`. */
const cloneTree = <T extends Tree>(tree: T): T => mapTensors(tree, (leaf) => leaf.clone());
