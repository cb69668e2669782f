// Random tensors and dropout, as functions of (key, global index): see the random package. Each
// takes the window of a global tensor that the caller holds.

import { mul, reshape, tensor, type Tensor } from "@tensorflow/tfjs-core";
import {
  fillNormal,
  fillUniform,
  contiguousRuns,
  type Key,
  type TensorSlice,
} from "@tessera/random";
import { kernel, sizeOf } from "./kernel.js";

/** A window of a global random tensor and the key of its stream, flat enough for any backend. */
export type Draw = Readonly<{
  whole: readonly number[];
  start: readonly number[];
  size: readonly number[];
  key: readonly number[];
}>;

export const drawOf = ({ shape: whole, start, size }: TensorSlice, key: Key): Draw => ({
  whole,
  start,
  size,
  key,
});

type Fill = (out: Float32Array, key: Key, first: number) => void;

/** The window's elements of the stream, in the window's order. */
function drawn(fill: Fill, { key, ...window }: Draw): Float32Array {
  const out = new Float32Array(sizeOf(window.size));
  for (const { offset, sliceOffset, length } of contiguousRuns({
    ...window,
    shape: window.whole,
  })) {
    fill(out.subarray(sliceOffset, sliceOffset + length), [key[0]!, key[1]!], offset);
  }
  return out;
}

/** y [size]: normal with `mean` and `std`. */
export const randomNormal = kernel<never, "y", Draw & { mean: number; deviation: number }>({
  name: "TesseraRandomNormal",
  inputs: [],
  outputs: ["y"],
  shapes: (_inputs, { size }) => ({ y: size }),
  composite(_inputs, { mean, deviation, ...draw }) {
    const values = drawn(fillNormal, draw).map((value) => value * deviation + mean);
    return { y: tensor(values, [...draw.size]) };
  },
});

/** Ones over (1 - rate), with zeros at random places of probability `rate`: [size]. */
export function dropoutMask(rate: number, draw: Draw): Tensor {
  const keep = 1 / (1 - rate);
  const mask = drawn(fillUniform, draw).map((uniform) => (uniform < rate ? 0 : keep));
  return tensor(mask, [...draw.size]);
}

/** y = x mask: `rate` of the elements become 0, the others grow to keep the mean. Its own gradient. */
export const dropout = kernel<"x", "y", Draw & { rate: number }>({
  name: "TesseraDropout",
  inputs: ["x"],
  outputs: ["y"],
  shapes({ x }, { size }) {
    if (sizeOf(size) !== sizeOf(x)) {
      throw new Error(`dropout: x is [${x.join(", ")}], its window [${size.join(", ")}]`);
    }
    return { y: x };
  },
  composite: ({ x }, { rate, ...draw }) => ({
    y: mul(x, reshape(dropoutMask(rate, draw), x.shape)),
  }),
});
