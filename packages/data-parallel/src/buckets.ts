// Which gradients travel together. Pure arithmetic on shapes: every rank plans the same.

import { bucketKey, leaves, shardSlice, type ParamSpec, type TreeOf } from "@tessera/params";
import { UNSHARDED, type ShardIndex } from "@tessera/mesh";

/** Where a parameter lies in a bucket's flat memory, in elements. */
export interface BucketSlot {
  readonly path: string;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly size: number;
  /** How many gradients a backward pass gives the parameter. */
  readonly gradientCount: number;
}

/** Parameters that are reduced by one call. */
export interface Bucket {
  /** The path of its first parameter, of whose kind all of them are. */
  readonly name: string;
  readonly slots: readonly BucketSlot[];
  /** Elements, padded so that all ranks' pieces are of one size. */
  readonly size: number;
}

export interface BucketOptions {
  readonly ranks: number;
  /** Parameters of this size or more travel alone, without being copied; smaller ones together. */
  readonly bytes: number;
  /** What this rank's group holds of parameters that tensor parallelism splits. */
  readonly shard?: ShardIndex;
  /** Parameters of different groups share no bucket. Default: all are in one group. */
  readonly groupOf?: (path: string) => number;
}

const BYTES_PER_ELEMENT = 4;

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Buckets in the order in which backward fills them: the model's last parameters come first. */
export function planBuckets(
  spec: TreeOf<ParamSpec>,
  { ranks, bytes, shard = UNSHARDED, groupOf = () => 0 }: BucketOptions,
): Bucket[] {
  const buckets: Bucket[] = [];
  const open = new Map<string, BucketSlot[]>();
  const close = (slots: readonly BucketSlot[]): void => {
    const used = slots.at(-1)!.offset + slots.at(-1)!.size;
    const size = Math.ceil(used / ranks) * ranks;
    buckets.push({ name: slots[0]!.path, slots, size });
  };
  for (const [path, leaf] of leaves<ParamSpec>(spec).toReversed()) {
    const shape = shardSlice(leaf, shard, path).size;
    const kind = `${bucketKey(leaf)} ${groupOf(path)}`;
    const size = sizeOf(shape);
    const { gradientCount = 1 } = leaf;
    if (size * BYTES_PER_ELEMENT >= bytes) {
      close([{ path, shape, offset: 0, size, gradientCount: gradientCount }]);
      continue;
    }
    const slots = open.get(kind) ?? [];
    const last = slots.at(-1);
    const first = last === undefined ? 0 : last.offset + last.size;
    slots.push({ path, shape, offset: first, size, gradientCount: gradientCount });
    open.set(kind, slots);
    if ((first + size) * BYTES_PER_ELEMENT >= bytes) {
      close(slots);
      open.delete(kind);
    }
  }
  for (const slots of open.values()) close(slots);
  return buckets;
}
