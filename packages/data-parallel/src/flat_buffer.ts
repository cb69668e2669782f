// Flat buffers: several tensors in one, and a rank's shard of it.

import { reshape, slice, tidy, zeros, type Tensor } from "@tensorflow/tfjs-core";
import { call, put } from "@tessera/kernels";
import type { Bucket } from "./buckets.js";

/** A bucket's tensors as one [size]. A tensor that fills its bucket is not copied. Borrows the tensors. */
export function pack({ slots, size }: Bucket, tensorAt: (path: string) => Tensor): Tensor {
  const [only] = slots;
  if (slots.length === 1 && only!.size === size) return reshape(tensorAt(only!.path), [size]);
  let flat: Tensor = zeros([size]);
  for (const { path, offset } of slots) {
    flat = call(put, { whole: flat, part: tensorAt(path) }, { first: offset }).total;
  }
  return flat;
}

/** The inverse of `pack`, by path. Borrows `flat`. */
export const unpack = ({ slots }: Bucket, flat: Tensor): (readonly [string, Tensor])[] =>
  slots.map(({ path, shape, offset, size }) => [
    path,
    tidy(() => reshape(size === flat.size ? flat : slice(flat, [offset], [size]), [...shape])),
  ]);

/** Shard `index` of `count` of a flat tensor, whose size `count` divides. */
export const takeShard = (flat: Tensor, index: number, count: number): Tensor =>
  slice(flat, [(flat.size / count) * index], [flat.size / count]);

/** x as a vector, padded with zeros to a multiple of `count` elements. */
export function flattenPadded(x: Tensor, count: number): Tensor {
  const size = Math.ceil(x.size / count) * count;
  if (size === x.size) return reshape(x, [size]);
  return call(put, { whole: zeros([size]), part: x }, { first: 0 }).total;
}
