// Root mean square normalization (Zhang and Sennrich, 2019) over the last dimension, and its
// backward.

import { add, mean, mul, reshape, rsqrt, square, sub } from "@tensorflow/tfjs-core";
import { asRows, call, expectShape, kernel, sizeOf, widthOf } from "./kernel.js";
import { sumRows } from "./product.js";

/** y [..., C] = x rstd gain, with rstd [rows, 1] = 1 / sqrt(mean(x^2) + epsilon). */
export const rmsNorm = kernel<"x" | "gain", "y" | "rstd", { epsilon: number }>({
  name: "TesseraRmsNorm",
  inputs: ["x", "gain"],
  outputs: ["y", "rstd"],
  shapes({ x, gain }) {
    expectShape("rmsNorm", "gain", gain, [widthOf("rmsNorm", "x", x)]);
    return { y: x, rstd: [sizeOf(x.slice(0, -1)), 1] };
  },
  composite({ x, gain }, { epsilon }) {
    const rows = asRows(x);
    const rstd = rsqrt(add(mean(square(rows), 1, true), epsilon));
    return { y: reshape(mul(mul(rows, rstd), gain), x.shape), rstd };
  },
});

/** With h = x rstd and g = dy gain: dx = rstd (g - h mean(g h)),  dGain = sum dy h. */
export const rmsNormGradient = kernel({
  name: "TesseraRmsNormGradient",
  inputs: ["x", "gain", "rstd", "dy"],
  outputs: ["dx", "dGain"],
  shapes({ x, gain, dy }) {
    expectShape("rmsNormGradient", "dy", dy, x);
    expectShape("rmsNormGradient", "gain", gain, [widthOf("rmsNormGradient", "x", x)]);
    return { dx: x, dGain: gain };
  },
  composite({ x, gain, rstd, dy }) {
    const rows = asRows(dy);
    const h = mul(asRows(x), rstd);
    const g = mul(rows, gain);
    const dx = mul(sub(g, mul(h, mean(mul(g, h), 1, true))), rstd);
    return {
      dx: reshape(dx, x.shape),
      dGain: call(sumRows, { dy: mul(rows, h) }, {}).dBias,
    };
  },
});
