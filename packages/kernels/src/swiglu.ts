// The sigmoid linear unit (Hendrycks and Gimpel, 2016), and the product of one half of an MLP's
// inner activations with the silu of the other (Shazeer, 2020).

import { add, mul, sigmoid, sub, type Tensor } from "@tensorflow/tfjs-core";
import { expectShape, kernel } from "./kernel.js";

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

/** y = silu(gate) up, elementwise. */
export const swiglu = kernel({
  name: "TesseraSwiglu",
  inputs: ["gate", "up"],
  outputs: ["y"],
  shapes({ gate, up }) {
    expectShape("swiglu", "up", up, gate);
    return { y: gate };
  },
  composite: ({ gate, up }) => ({ y: mul(mul(gate, sigmoid(gate)), up) }),
});

export const swigluGradient = kernel({
  name: "TesseraSwigluGradient",
  inputs: ["gate", "up", "dy"],
  outputs: ["dGate", "dUp"],
  shapes({ gate, up, dy }) {
    expectShape("swigluGradient", "up", up, gate);
    expectShape("swigluGradient", "dy", dy, gate);
    return { dGate: gate, dUp: up };
  },
  composite({ gate, up, dy }) {
    const s = sigmoid(gate);
    return { dGate: mul(mul(dy, up), slope(gate, s)), dUp: mul(mul(dy, gate), s) };
  },
});
