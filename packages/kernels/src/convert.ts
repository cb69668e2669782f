// Storage in 16 or 8 bits. tfjs has no such dtype: a backend may keep a float32 tensor so, and on every other backend the
// values are rounded to what so many bits can hold.

import {
  abs,
  add,
  div,
  fill,
  greater,
  less,
  max,
  maximum,
  mul,
  pad,
  reshape,
  round,
  slice,
  sub,
  where,
  type Tensor,
} from "@tensorflow/tfjs-core";
import { kernel } from "./kernel.js";
import { INT8_BLOCK, type WeightStorage } from "./storage.js";

/**
 * x rounded to its `bits` leading binary digits (Veltkamp's splitting), for |x| below about 2^110.
 * Halfway cases may go either way.
 */
function leading(x: Tensor, bits: number): Tensor {
  const scaled = mul(x, 2 ** (24 - bits) + 1);
  return sub(scaled, sub(scaled, x));
}

/** IEEE half precision: 11 digits, multiples of 2^-24 near zero, infinite from 65520 on. */
function half(x: Tensor): Tensor {
  const size = abs(x);
  const subnormal = sub(add(x, 0.75), 0.75);
  const rounded = where(less(size, 2 ** -14), subnormal, leading(x, 11));
  return where(greater(size, 65519.99), mul(x, fill([], Infinity)), rounded);
}

/** Whole numbers of up to 127, times the scale of their block. */
function inBlocks(x: Tensor): Tensor {
  const blocks = Math.ceil(x.size / INT8_BLOCK);
  const padded = pad(reshape(x, [-1]), [[0, blocks * INT8_BLOCK - x.size]]);
  const rows = reshape(padded, [blocks, INT8_BLOCK]);
  const scale = mul(max(abs(rows), 1, true), 1 / 127);
  // A block of zeros has a scale of 0: any other number gives 0 too.
  const rounded = mul(round(div(rows, maximum(scale, 2 ** -126))), scale);
  return reshape(slice(reshape(rounded, [-1]), [0], [x.size]), x.shape);
}

/** y = x, in storage `storage`. */
export const convert = kernel<"x", "y", { storage: WeightStorage }>({
  name: "TesseraConvert",
  inputs: ["x"],
  outputs: ["y"],
  shapes: ({ x }) => ({ y: x }),
  composite({ x }, { storage }) {
    if (storage === "fp32") return { y: x.clone() };
    if (storage === "int8") return { y: inBlocks(x) };
    return { y: storage === "bf16" ? leading(x, 8) : half(x) };
  },
});
