// Random tensors and dropout, as functions of (key, global index): see the random package. Each call computes
// the slice of a global tensor that the caller holds.

import { mul, reshape, tensor, type Tensor } from "@tensorflow/tfjs-core";
import {
  contiguousRuns,
  fillNormal,
  fillUniform,
  type Key,
  type TensorSlice,
} from "@tessera/random";
import { kernel, sizeOf } from "./kernel.js";

/** A slice of a global random tensor and the key of its stream, as attributes of a kernel. */
export type RandomSlice = Readonly<{
  /** Of the global tensor. */
  shape: readonly number[];
  start: readonly number[];
  size: readonly number[];
  key: readonly number[];
}>;

/** The attributes by which random kernels fill a slice of a tensor, whose full shape the values depend on. */
export const randomSlice = ({ shape, start, size }: TensorSlice, key: Key): RandomSlice => ({
  shape,
  start,
  size,
  key,
});

type Fill = (out: Float32Array, key: Key, first: number) => void;

/** The elements of the slice, in its order. */
function sample(fill: Fill, { key, ...slice }: RandomSlice): Float32Array {
  const out = new Float32Array(sizeOf(slice.size));
  for (const { offset, sliceOffset, length } of contiguousRuns(slice)) {
    fill(out.subarray(sliceOffset, sliceOffset + length), [key[0]!, key[1]!], offset);
  }
  return out;
}

/** y [size]: normally distributed. */
export const randomNormal = kernel<never, "y", RandomSlice & { mean: number; std: number }>({
  name: "TesseraRandomNormal",
  inputs: [],
  outputs: ["y"],
  shapes: (_inputs, { size }) => ({ y: size }),
  composite(_inputs, { mean, std, ...slice }) {
    const values = sample(fillNormal, slice).map((value) => value * std + mean);
    return { y: tensor(values, [...slice.size]) };
  },
});

/** 0 with probability `rate`, else 1 / (1 - rate): [size]. */
export function dropoutMask(rate: number, slice: RandomSlice): Tensor {
  const keep = 1 / (1 - rate);
  const mask = sample(fillUniform, slice).map((uniform) => (uniform < rate ? 0 : keep));
  return tensor(mask, [...slice.size]);
}

/** y = x mask: `rate` of the elements become 0, the others grow to keep the mean. Its own gradient. */
export const dropout = kernel<"x", "y", RandomSlice & { rate: number }>({
  name: "TesseraDropout",
  inputs: ["x"],
  outputs: ["y"],
  shapes({ x }, { size }) {
    if (sizeOf(size) !== sizeOf(x)) {
      throw new Error(`dropout: x is [${x.join(", ")}], its slice [${size.join(", ")}]`);
    }
    return { y: x };
  },
  composite: ({ x }, { rate, ...slice }) => ({
    y: mul(x, reshape(dropoutMask(rate, slice), x.shape)),
  }),
});
