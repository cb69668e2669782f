// Which gradients are reduced together. Pure arithmetic on shapes, so every rank plans the same buckets.

import { sizeOf } from "@tessera/kernels/contract";
import { UNSHARDED, type ShardIndex } from "@tessera/mesh";
import { bucketKey, leaves, shardSlice, type ParamSpec, type TreeOf } from "@tessera/params";

/** A parameter's range in a bucket's flat buffer, in elements. */
export interface BucketSlot {
  readonly path: string;
  readonly shape: readonly number[];
  /** Where it begins in the flat buffer, in elements. */
  readonly offset: number;
  /** In elements. */
  readonly size: number;
  /** Gradients that a backward pass produces for the parameter. */
  readonly gradientCount: number;
}

/** Parameters whose gradients are reduced by one call. */
export interface Bucket {
  /** The path of its first parameter; all others have the same `bucketKey`. */
  readonly name: string;
  readonly slots: readonly BucketSlot[];
  /** Elements, padded to a multiple of the number of ranks. */
  readonly size: number;
}

/** Sizes and groups that buckets are planned for. */
export interface BucketOptions {
  readonly ranks: number;
  /** Parameters of at least this size have a bucket of their own and are not copied. */
  readonly bytes: number;
  /** This rank's tensor-parallel shard. Default: unsharded. */
  readonly shard?: ShardIndex;
  /** Index of a parameter's optimizer group; groups share no bucket. Default: all parameters are in one group. */
  readonly groupOf?: (path: string) => number;
}

const BYTES_PER_ELEMENT = 4;

/** Buckets in the order in which backward fills them: the model's last parameters come first. */
export function planBuckets(
  spec: TreeOf<ParamSpec>,
  { ranks, bytes, shard = UNSHARDED, groupOf = () => 0 }: BucketOptions,
): Bucket[] {
  const buckets: Bucket[] = [];
  const open = new Map<string, BucketSlot[]>();
  const close = (slots: readonly BucketSlot[]): void => {
    const size = Math.ceil(endOf(slots) / ranks) * ranks;
    buckets.push({ name: slots[0]!.path, slots, size });
  };
  for (const [path, leaf] of leaves<ParamSpec>(spec).toReversed()) {
    if (leaf.isFrozen === true) continue; // it has no gradient
    const { size: shape } = shardSlice(leaf, shard, path);
    const { gradientCount = 1 } = leaf;
    const slot = { path, shape, size: sizeOf(shape), gradientCount };
    // Several gradients come at several times, perhaps of several chunks of the model.
    if (gradientCount > 1 || slot.size * BYTES_PER_ELEMENT >= bytes) {
      close([{ ...slot, offset: 0 }]);
      continue;
    }
    const key = `${bucketKey(leaf)} ${groupOf(path)}`;
    const slots = open.get(key) ?? [];
    slots.push({ ...slot, offset: endOf(slots) });
    open.set(key, slots);
    if (endOf(slots) * BYTES_PER_ELEMENT >= bytes) {
      close(slots);
      open.delete(key);
    }
  }
  for (const slots of open.values()) close(slots);
  return buckets;
}

/** Elements of a bucket before padding. */
function endOf(slots: readonly BucketSlot[]): number {
  const last = slots.at(-1);
  return last === undefined ? 0 : last.offset + last.size;
}
