// The sigmoid linear unit (Hendrycks and Gimpel, 2016), and the product of one half of an MLP's
// inner activations with the silu of the other (Shazeer, 2020).

import { add, concat, mul, sigmoid, split, sub, type Tensor } from "@tensorflow/tfjs-core";
import { expectShape, kernel, widthOf } from "./kernel.js";

/** The slope of silu from s = sigmoid(x): s (1 + x (1 - s)). */
const slope = (x: Tensor, s: Tensor): Tensor => mul(s, add(mul(x, sub(1, s)), 1));

/** y = x sigmoid(x), elementwise. */
export const silu = kernel({
  name: "TesseraSilu",
  inputs: ["x"],
  outputs: ["y"],
  shapes: ({ x }) => ({ y: x }),
  composite: ({ x }) => ({ y: mul(x, sigmoid(x)) }),
});

/** Gradient of `silu`: x, dy [...] -> dx [...]. */
export const siluGradient = kernel({
  name: "TesseraSiluGradient",
  inputs: ["x", "dy"],
  outputs: ["dx"],
  shapes({ x, dy }) {
    expectShape("siluGradient", "dy", dy, x);
    return { dx: x };
  },
  composite: ({ x, dy }) => ({ dx: mul(dy, slope(x, sigmoid(x))) }),
});

/** The halves of x's last dimension. */
const halvesOf = (x: Tensor): [gate: Tensor, up: Tensor] =>
  split(x, 2, x.rank - 1) as [Tensor, Tensor];

/** y [..., I] = silu(gate) up, with gate and up the halves of x [..., 2 I]. */
export const swiglu = kernel({
  name: "TesseraSwiglu",
  inputs: ["x"],
  outputs: ["y"],
  shapes({ x }) {
    const width = widthOf("swiglu", "x", x);
    if (width % 2 !== 0) throw new Error(`swiglu: x is ${width} wide, must be even`);
    return { y: [...x.slice(0, -1), width / 2] };
  },
  composite({ x }) {
    const [gate, up] = halvesOf(x);
    return { y: mul(mul(gate, sigmoid(gate)), up) };
  },
});

/** Gradient of `swiglu`: x [..., 2 F], dy [..., F] -> dx [..., 2 F]. */
export const swigluGradient = kernel({
  name: "TesseraSwigluGradient",
  inputs: ["x", "dy"],
  outputs: ["dx"],
  shapes({ x, dy }) {
    expectShape("swigluGradient", "dy", dy, swiglu.shapes({ x }, {}).y);
    return { dx: x };
  },
  composite({ x, dy }) {
    const [gate, up] = halvesOf(x);
    const s = sigmoid(gate);
    const dGate = mul(mul(dy, up), slope(gate, s));
    return { dx: concat([dGate, mul(mul(dy, gate), s)], x.rank - 1) };
  },
});
