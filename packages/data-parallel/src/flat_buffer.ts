// Tensors as flat memory: several in one, and a rank's piece of it.

import { reshape, slice, tidy, zeros, type Tensor } from "@tensorflow/tfjs-core";
import { call, put } from "@tessera/kernels";
import type { Bucket } from "./buckets.js";

/** The tensors of a bucket as one [size]. A tensor that fills the bucket alone is not copied. */
export function pack({ slots, size }: Bucket, tensorAt: (path: string) => Tensor): Tensor {
  const [only] = slots;
  if (slots.length === 1 && only!.size === size) return reshape(tensorAt(only!.path), [size]);
  let whole: Tensor = zeros([size]);
  for (const { path, offset } of slots) {
    whole = call(put, { whole, part: tensorAt(path) }, { first: offset }).total;
  }
  return whole;
}

/** The inverse of `pack`, by path. Borrows `whole`. */
export const unpack = ({ slots }: Bucket, whole: Tensor): (readonly [string, Tensor])[] =>
  slots.map(({ path, shape, offset, size }) => [
    path,
    tidy(() => reshape(size === whole.size ? whole : slice(whole, [offset], [size]), [...shape])),
  ]);

/** Piece `index` of `count` of a flat tensor whose size they divide. */
export const takeShard = (whole: Tensor, index: number, count: number): Tensor =>
  slice(whole, [(whole.size / count) * index], [whole.size / count]);

/** x as one row, padded with zeros to what `count` ranks can share. */
export function flattenPadded(x: Tensor, count: number): Tensor {
  const size = Math.ceil(x.size / count) * count;
  if (size === x.size) return reshape(x, [size]);
  return call(put, { whole: zeros([size]), part: x }, { first: 0 }).total;
}
