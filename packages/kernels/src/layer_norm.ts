// Layer normalization (Ba et al., 2016) over the last dimension, and its backward.

import { add, mean, mul, reshape, rsqrt, square, sub } from "@tensorflow/tfjs-core";
import { asRows, call, expectShape, kernel, sizeOf, widthOf } from "./kernel.js";
import { sumRows } from "./product.js";

/** y [..., C] = (x - mean) rstd gain + bias; mean and rstd [rows, 1] are kept for backward. */
export const layerNorm = kernel<"x" | "gain" | "bias", "y" | "mean" | "rstd", { epsilon: number }>({
  name: "TesseraLayerNorm",
  inputs: ["x", "gain", "bias"],
  outputs: ["y", "mean", "rstd"],
  shapes({ x, gain, bias }) {
    const width = widthOf("layerNorm", "x", x);
    expectShape("layerNorm", "gain", gain, [width]);
    expectShape("layerNorm", "bias", bias, [width]);
    const rows = [sizeOf(x.slice(0, -1)), 1];
    return { y: x, mean: rows, rstd: rows };
  },
  composite({ x, gain, bias }, { epsilon }) {
    const rows = asRows(x);
    const mu = mean(rows, 1, true);
    const centred = sub(rows, mu);
    const rstd = rsqrt(add(mean(square(centred), 1, true), epsilon));
    const y = add(mul(mul(centred, rstd), gain), bias);
    return { y: reshape(y, x.shape), mean: mu, rstd };
  },
});

/**
 * With h = (x - mean) rstd and g = dy gain:
 *   dx = rstd (g - mean(g) - h mean(g h)),  dGain = sum dy h,  dBias = sum dy.
 */
export const layerNormGradient = kernel({
  name: "TesseraLayerNormGradient",
  inputs: ["x", "gain", "mean", "rstd", "dy"],
  outputs: ["dx", "dGain", "dBias"],
  shapes({ x, gain, dy }) {
    expectShape("layerNormGradient", "dy", dy, x);
    expectShape("layerNormGradient", "gain", gain, [widthOf("layerNormGradient", "x", x)]);
    return { dx: x, dGain: gain, dBias: gain };
  },
  composite({ x, gain, mean: mu, rstd, dy }) {
    const rows = asRows(dy);
    const h = mul(sub(asRows(x), mu), rstd);
    const g = mul(rows, gain);
    const along = mul(h, mean(mul(g, h), 1, true));
    const dx = mul(sub(sub(g, mean(g, 1, true)), along), rstd);
    return {
      dx: reshape(dx, x.shape),
      dGain: call(sumRows, { dy: mul(rows, h) }, {}).dBias,
      dBias: call(sumRows, { dy: rows }, {}).dBias,
    };
  },
});
