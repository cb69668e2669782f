// ZeRO stages 0 to 2 (Rajbhandari et al., 2020): every rank holds all weights. What they share out is
// the optimizer's state (from stage 1 on) and the gradients (in stage 2).

import { type Tensor } from "@tensorflow/tfjs-core";
import type { ProcessGroup } from "@tessera/collectives";
import {
  clipRange,
  disposeTree,
  shardLayout,
  leaves,
  mapTensors,
  mapTree,
  type ShardLayout,
  type Like,
  type ParamSpec,
  type Tree,
  type TreeOf,
} from "@tessera/layers";
import { UNSHARDED, type ShardIndex } from "@tessera/mesh";
import { planBuckets, type Bucket } from "./buckets.js";
import { bucketCollector, sinkInto } from "./collect.js";
import { pack, pieceOf, unpack } from "./flat.js";
import { squaresOver } from "./squares.js";
import type { Sharing } from "./sharing.js";
import { underWay } from "./under_way.js";

export interface ReplicateOptions {
  /** 0: nothing is shared out. 1: moments. 2: moments and gradients. */
  readonly stage: 0 | 1 | 2;
  /** Gradients smaller than this travel together; larger ones alone, uncopied. */
  readonly bucketBytes?: number;
  /** What the ranks of `group` hold of parameters that tensor parallelism splits. */
  readonly shard?: ShardIndex;
}

export const DEFAULT_BUCKET_BYTES = 2 ** 20;

/** Trees of flat tensors by bucket. */
type Flats = Readonly<Record<string, Tensor>>;

/** Whole weights on every rank of `group`; gradients are reduced while backward goes on. */
export function replicate<P extends Tree>(
  spec: Like<P, ParamSpec>,
  group: ProcessGroup,
  { stage, bucketBytes = DEFAULT_BUCKET_BYTES, shard = UNSHARDED }: ReplicateOptions,
): Sharing<P> {
  const buckets = planBuckets(spec, {
    shard,
    ranks: group.size,
    bytes: group.size === 1 ? 0 : bucketBytes,
  });
  const isShared = stage > 0;

  /** A tree like `spec` from flat buckets, which it uses up. */
  const unpacked = (flats: Flats): P => {
    const byPath = new Map(buckets.flatMap((bucket) => unpack(bucket, flats[bucket.name]!)));
    disposeTree(flats);
    return mapTensors(spec as unknown as P, (_leaf, path) => byPath.get(path)!);
  };

  const gatherAll = (owned: Flats): P => {
    const works = buckets.map(({ name }) => [name, group.allGather(owned[name]!, 0)] as const);
    return unpacked(Object.fromEntries(works.map(([name, work]) => [name, work.wait()])));
  };

  return {
    group,
    sharesGradients: stage === 2,
    holdings: isShared
      ? pieceHoldings(spec, buckets, { group, shard })
      : mapTree(spec as TreeOf<ParamSpec>, (leaf: ParamSpec, path) =>
          shardLayout(leaf, shard, path),
        ),
    copy: isShared ? UNSHARDED : { index: group.rank, count: group.size },
    collect: (held) => {
      const flats = underWay();
      const collector = bucketCollector(buckets, ({ name }, flat) => {
        flats.add(name, isShared ? group.reduceScatter(flat, 0) : group.allReduce(flat));
        flat.dispose();
      });
      const settled = (): Tree => {
        collector.finish();
        const sums: Flats = Object.fromEntries(flats.take());
        return isShared ? sums : unpacked(sums);
      };
      const sink = (isLast: boolean) => {
        flats.settle();
        collector.begin(isLast || stage === 2);
        return sinkInto(held, collector.receive);
      };
      return { sink, take: settled };
    },
    squares: (gradients, share) => squaresOver(isShared ? group : null, gradients, share),
    hold: (whole) => whole,
    own: (held) => (isShared ? piecesOf(held, buckets, group) : held),
    release(owned) {
      if (!isShared) return owned as P;
      const whole = gatherAll(owned as Flats);
      disposeTree(owned);
      return whole;
    },
    whole: shared,
    gather: (owned) => (isShared ? gatherAll(owned as Flats) : shared(owned as P)),
  };
}

/** This rank's piece of each bucket. Uses up `held`, one bucket after the other. */
function piecesOf(held: Tree, buckets: readonly Bucket[], group: ProcessGroup): Flats {
  const byPath = new Map(leaves<Tensor>(held));
  const pieces = buckets.map((bucket) => {
    const flat = pack(bucket, (path) => byPath.get(path)!);
    const piece = pieceOf(flat, group.rank, group.size);
    flat.dispose();
    for (const { path } of bucket.places) byPath.get(path)!.dispose();
    return [bucket.name, piece] as const;
  });
  return Object.fromEntries(pieces);
}

/** What this rank's pieces of buckets hold. */
function pieceHoldings(
  spec: TreeOf<ParamSpec>,
  buckets: readonly Bucket[],
  { group, shard }: { readonly group: ProcessGroup; readonly shard: ShardIndex },
): Readonly<Record<string, ShardLayout>> {
  const specs = new Map(leaves<ParamSpec>(spec));
  return Object.fromEntries(
    buckets.map(({ name, places, size }) => {
      const each = size / group.size;
      const ranges = places.flatMap(({ path, first }) => {
        const [whole] = shardLayout(specs.get(path)!, shard, path).ranges;
        return clipRange({ ...whole!, tensorOffset: first }, group.rank, each);
      });
      return [name, { shape: [each], ranges }];
    }),
  );
}

/** The same tensors once more; nothing is copied. */
const shared = <T extends Tree>(tree: T): T => mapTensors(tree, (leaf) => leaf.clone());
