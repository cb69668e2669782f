// Which gradients travel together. Pure arithmetic on shapes: every rank plans the same.

import { leaves, type ParamSpec, type TreeOf } from "@tessera/layers";

/** Where a parameter lies in a bucket's flat memory, in elements. */
export interface Place {
  readonly path: string;
  readonly shape: readonly number[];
  readonly first: number;
  readonly size: number;
}

/** Parameters that are reduced by one call. */
export interface Bucket {
  /** The path of its first parameter, whose weight decay all of them share. */
  readonly name: string;
  readonly places: readonly Place[];
  /** Elements, padded so that all ranks' pieces are of one size. */
  readonly size: number;
}

export interface BucketOptions {
  readonly ranks: number;
  /** Parameters of this size or more travel alone, without being copied; smaller ones together. */
  readonly bytes: number;
}

const BYTES_PER_ELEMENT = 4;

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Buckets in the order in which backward fills them: the model's last parameters come first. */
export function planBuckets(spec: TreeOf<ParamSpec>, { ranks, bytes }: BucketOptions): Bucket[] {
  const buckets: Bucket[] = [];
  const open = new Map<boolean, Place[]>();
  const close = (places: readonly Place[]): void => {
    if (places.length === 0) return;
    const used = places.at(-1)!.first + places.at(-1)!.size;
    const size = Math.ceil(used / ranks) * ranks;
    buckets.push({ name: places[0]!.path, places, size });
  };
  for (const [path, { shape, decay }] of leaves<ParamSpec>(spec).toReversed()) {
    const size = sizeOf(shape);
    if (size * BYTES_PER_ELEMENT >= bytes) {
      close([{ path, shape, first: 0, size }]);
      continue;
    }
    const places = open.get(decay) ?? [];
    const last = places.at(-1);
    const first = last === undefined ? 0 : last.first + last.size;
    places.push({ path, shape, first, size });
    open.set(decay, places);
    if ((first + size) * BYTES_PER_ELEMENT >= bytes) {
      close(places);
      open.delete(decay);
    }
  }
  for (const places of open.values()) close(places);
  return buckets;
}
