// Storage in 16 bits. tfjs has no such dtype: a backend may keep a float32 tensor in 16 bits, and on
// every other backend the values are rounded to what 16 bits can hold.

import { abs, add, fill, greater, less, mul, sub, where, type Tensor } from "@tensorflow/tfjs-core";
import { kernel } from "./kernel.js";
import type { FloatStorage } from "./storage.js";

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

/** y = x, in storage `storage`. */
export const convert = kernel<"x", "y", { storage: FloatStorage }>({
  name: "TesseraConvert",
  inputs: ["x"],
  outputs: ["y"],
  shapes: ({ x }) => ({ y: x }),
  composite({ x }, { storage }) {
    if (storage === "fp32") return { y: x.clone() };
    return { y: storage === "bf16" ? leading(x, 8) : half(x) };
  },
});
