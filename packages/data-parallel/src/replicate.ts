// ZeRO stages 0 to 2 (Rajbhandari et al., 2020): every rank holds all weights. What they share out is
// the optimizer's state (from stage 1 on) and the gradients (in stage 2).

import { type Tensor } from "@tensorflow/tfjs-core";
import type { ProcessGroup } from "@tessera/collectives";
import {
  accumulate,
  clipRange,
  disposeTree,
  filterTree,
  shardLayout,
  leaves,
  mapTensors,
  mapTree,
  type ShardLayout,
  type Like,
  type ParamSpec,
  type Tree,
  type TreeOf,
} from "@tessera/params";
import { UNSHARDED, type ShardIndex } from "@tessera/mesh";
import { planBuckets, type Bucket } from "./buckets.js";
import { createBucketReducer, createSink } from "./bucket_reducer.js";
import { pack, takeShard, unpack as unpackBucket } from "./flat_buffer.js";
import { sumSquares } from "./sum_squares.js";
import { dataAxis, type DataParallel, type GradientReducer } from "./data_parallel.js";
import { createPendingReductions } from "./pending_reductions.js";

export interface ReplicateOptions {
  /** 0: nothing is shared out. 1: moments. 2: moments and gradients. */
  readonly stage: 0 | 1 | 2;
  /** Gradients smaller than this travel together; larger ones alone, uncopied. */
  readonly bucketBytes?: number;
  /** What the ranks of `group` hold of parameters that tensor parallelism splits. */
  readonly shard?: ShardIndex;
  /** The optimizer's group of a parameter, whose optimizer may treat it unlike others. Default: all are in one. */
  readonly groupOf?: (path: string) => number;
}

export const DEFAULT_BUCKET_BYTES = 2 ** 20;

/** Trees of flat tensors by bucket. */
type FlatBuffers = Readonly<Record<string, Tensor>>;

/** Whole weights on every rank of `group`; gradients are reduced while backward goes on. */
export function replicate<P extends Tree>(
  spec: Like<P, ParamSpec>,
  group: ProcessGroup,
  options: ReplicateOptions,
): DataParallel<P> {
  const { stage, bucketBytes = DEFAULT_BUCKET_BYTES, shard = UNSHARDED, groupOf } = options;
  const buckets = planBuckets(spec, {
    shard,
    ...(groupOf && { groupOf }),
    ranks: group.size,
    bytes: group.size === 1 ? 0 : bucketBytes,
  });
  const isShared = stage > 0;

  const unpack = (buffers: FlatBuffers): Tree => unpackBuckets(spec, buckets, buffers);
  const gatherAll = (shards: FlatBuffers): Tree => unpack(gatherBuckets(buckets, shards, group));

  return {
    ...dataAxis(group),
    shardsGradients: stage === 2,
    layouts: isShared
      ? bucketLayouts(spec, buckets, { group, shard })
      : mapTree(spec as TreeOf<ParamSpec>, (leaf: ParamSpec, path) =>
          shardLayout(leaf, shard, path),
        ),
    replica: () => (isShared ? UNSHARDED : { index: group.rank, count: group.size }),
    createReducer: (held) =>
      group.size === 1 && !isShared
        ? localReducer(held)
        : groupReducer(held, { buckets, group, stage, unpack }),
    sumOfSquares: (gradients, share) => sumSquares(isShared ? group : null, gradients, share),
    shardParams: (whole) => whole,
    toOptimizer: (held) => (isShared ? shardBuckets(held, buckets, group) : held),
    fromOptimizer(owned) {
      if (!isShared) return owned as P;
      const full = gatherAll(owned as FlatBuffers);
      disposeTree(owned);
      return full as P;
    },
    gatherParams: cloneTree,
    gatherFromOptimizer: (own) => (isShared ? gatherAll(own as FlatBuffers) : cloneTree(own)),
  };
}

/** Sums over microbatches alone. */
function localReducer<P extends Tree>(held: P): GradientReducer<P> {
  const { sink, take } = accumulate(held);
  return { sink: () => sink, finish: take };
}

interface GroupReducerOptions {
  readonly buckets: readonly Bucket[];
  readonly group: ProcessGroup;
  readonly stage: 0 | 1 | 2;
  /** A tree of parameters from buckets. Consumes them. */
  readonly unpack: (buffers: FlatBuffers) => Tree;
}

/** Sums over microbatches and ranks: buckets are reduced as backward fills them. */
function groupReducer<P extends Tree>(
  held: P,
  { buckets, group, stage, unpack }: GroupReducerOptions,
): GradientReducer<P> {
  const isShared = stage > 0;
  const buffers = createPendingReductions();
  const reducer = createBucketReducer(buckets, ({ name }, flat) => {
    buffers.add(name, isShared ? group.reduceScatter(flat, 0) : group.allReduce(flat));
    flat.dispose();
  });
  return {
    sink(isLast) {
      buffers.wait();
      reducer.begin(isLast || stage === 2);
      return createSink(held, reducer.receive);
    },
    finish() {
      reducer.flush();
      const sums: FlatBuffers = Object.fromEntries(buffers.take());
      return isShared ? sums : unpack(sums);
    },
  };
}

/** A tree like `spec`, of those parameters whose buckets there are. Consumes them. */
function unpackBuckets(
  spec: TreeOf<ParamSpec>,
  buckets: readonly Bucket[],
  buffers: FlatBuffers,
): Tree {
  const byPath = new Map(
    buckets
      .filter(({ name }) => Object.hasOwn(buffers, name))
      .flatMap((bucket) => unpackBucket(bucket, buffers[bucket.name]!)),
  );
  disposeTree(buffers);
  const held = filterTree<ParamSpec>(spec, (path) => byPath.has(path));
  return mapTree(held, (_leaf: ParamSpec, path) => byPath.get(path)!);
}

/** Full buckets, of those that there are shards of. Borrows `shards`. */
function gatherBuckets(
  buckets: readonly Bucket[],
  shards: FlatBuffers,
  group: ProcessGroup,
): FlatBuffers {
  const works = buckets
    .filter(({ name }) => Object.hasOwn(shards, name))
    .map(({ name }) => [name, group.allGather(shards[name]!, 0)] as const);
  return Object.fromEntries(works.map(([name, work]) => [name, work.wait()]));
}

/** This rank's piece of each bucket. Uses up `held`, one bucket after the other. */
function shardBuckets(held: Tree, buckets: readonly Bucket[], group: ProcessGroup): FlatBuffers {
  const byPath = new Map(leaves<Tensor>(held));
  const pieces = buckets.map((bucket) => {
    const flat = pack(bucket, (path) => byPath.get(path)!);
    const piece = takeShard(flat, group.rank, group.size);
    flat.dispose();
    for (const { path } of bucket.slots) byPath.get(path)!.dispose();
    return [bucket.name, piece] as const;
  });
  return Object.fromEntries(pieces);
}

/** What this rank's pieces of buckets hold. */
function bucketLayouts(
  spec: TreeOf<ParamSpec>,
  buckets: readonly Bucket[],
  { group, shard }: { readonly group: ProcessGroup; readonly shard: ShardIndex },
): Readonly<Record<string, ShardLayout>> {
  const specs = new Map(leaves<ParamSpec>(spec));
  return Object.fromEntries(
    buckets.map(({ name, slots, size }) => {
      const each = size / group.size;
      const ranges = slots.flatMap(({ path, offset }) => {
        const [whole] = shardLayout(specs.get(path)!, shard, path).ranges;
        return clipRange({ ...whole!, tensorOffset: offset }, group.rank, each);
      });
      return [name, { shape: [each], ranges }];
    }),
  );
}

/** The same tensors once more; nothing is copied. */
const cloneTree = <T extends Tree>(tree: T): T => mapTensors(tree, (leaf) => leaf.clone());
