// The Gaussian error linear unit (Hendrycks and Gimpel, 2016), exact (`erf`) and as GPT-2 computes
// it (`tanh`).

import {
  add,
  erf,
  exp,
  mul,
  scalar,
  sigmoid,
  square,
  sub,
  type Tensor,
} from "@tensorflow/tfjs-core";
import { expectShape, kernel } from "./kernel.js";

/** GELU by its approximation with tanh, as in GPT-2, or exactly, by the error function. */
export type GeluForm = "tanh" | "erf";

const A = Math.sqrt(2 / Math.PI);
const B = 0.044715;

/** How much of x passes, and the slope of that, for either form. */
function gate(x: Tensor, form: GeluForm): { pass: Tensor; slope: () => Tensor } {
  if (form === "erf") {
    // pass is the normal distribution function; its slope is the normal density.
    return {
      pass: mul(add(erf(mul(x, Math.SQRT1_2)), 1), 0.5),
      slope: () => mul(exp(mul(square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI)),
    };
  }
  // (1 + tanh u) / 2 = sigmoid 2u, with u = A (x + B x^3).
  const pass = sigmoid(mul(x, add(mul(square(x), 2 * A * B), 2 * A)));
  return {
    pass,
    slope: () => mul(mul(pass, sub(scalar(1), pass)), add(mul(square(x), 6 * A * B), 2 * A)),
  };
}

/** y = x pass(x), elementwise. */
export const gelu = kernel<"x", "y", { form: GeluForm }>({
  name: "TesseraGelu",
  inputs: ["x"],
  outputs: ["y"],
  shapes: ({ x }) => ({ y: x }),
  composite: ({ x }, { form }) => ({ y: mul(x, gate(x, form).pass) }),
});

/** dx = dy (pass + x pass'), elementwise. */
export const geluGradient = kernel<"x" | "dy", "dx", { form: GeluForm }>({
  name: "TesseraGeluGradient",
  inputs: ["x", "dy"],
  outputs: ["dx"],
  shapes({ x, dy }) {
    expectShape("geluGradient", "dy", dy, x);
    return { dx: x };
  },
  composite({ x, dy }, { form }) {
    const { pass, slope } = gate(x, form);
    return { dx: mul(dy, add(pass, mul(x, slope()))) };
  },
});
