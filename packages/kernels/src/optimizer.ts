// One optimizer step for one parameter, in place where the backend can.

import {
  add,
  div,
  isFinite,
  mul,
  sqrt,
  square,
  sub,
  where,
  type Tensor,
} from "@tensorflow/tfjs-core";
import { expectShape, kernel, type Shape } from "./kernel.js";

/** Adam's numbers for one step; `step` counts from 1. */
export type AdamAttributes = Readonly<{
  learningRate: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  weightDecay: number;
  /** AdamW (Loshchilov and Hutter, 2019): decay apart from the gradient. Else L2, inside it. */
  decoupled: boolean;
  step: number;
}>;

function sameShapes<I extends string>(name: string, inputs: Record<I | "param", Shape>): void {
  for (const [input, shape] of Object.entries<Shape>(inputs)) {
    if (input !== "scale") expectShape(name, input, shape, inputs.param);
  }
}

/**
 * What the step made of a tensor, or the tensor as it was where `scale` is not finite: a gradient
 * overflowed, and the step is left out without anyone having to read a value back.
 */
const unlessOverflow = (scale: Tensor, stepped: Tensor, before: Tensor): Tensor =>
  where(isFinite(scale), stepped, before);

/**
 * Adam (Kingma and Ba, 2015). The gradient is multiplied by the scalar `scale` first, which
 * carries clipping and averaging; `mean` and `square` are the running moments. A scale that is not
 * finite leaves everything as it was.
 */
export const adamStep = kernel<
  "param" | "gradient" | "mean" | "square" | "scale",
  "param" | "mean" | "square",
  AdamAttributes
>({
  name: "TesseraAdamStep",
  inputs: ["param", "gradient", "mean", "square", "scale"],
  outputs: ["param", "mean", "square"],
  consumes: ["param", "mean", "square"],
  shapes(inputs) {
    sameShapes("adamStep", inputs);
    return { param: inputs.param, mean: inputs.param, square: inputs.param };
  },
  composite(inputs, { learningRate, beta1, beta2, epsilon, weightDecay, decoupled, step }) {
    const { param } = inputs;
    const scaled = mul(inputs.gradient, inputs.scale);
    const l2 = weightDecay !== 0 && !decoupled;
    const gradient = l2 ? add(scaled, mul(param, weightDecay)) : scaled;
    const mean = add(mul(inputs.mean, beta1), mul(gradient, 1 - beta1));
    const moment = add(mul(inputs.square, beta2), mul(square(gradient), 1 - beta2));
    const correction = Math.sqrt(1 - beta2 ** step);
    const size = add(div(sqrt(moment), correction), epsilon);
    const update = mul(div(mean, size), learningRate / (1 - beta1 ** step));
    const kept = decoupled ? mul(param, 1 - learningRate * weightDecay) : param;
    return {
      param: unlessOverflow(inputs.scale, sub(kept, update), param),
      mean: unlessOverflow(inputs.scale, mean, inputs.mean),
      square: unlessOverflow(inputs.scale, moment, inputs.square),
    };
  },
});

export type SgdAttributes = Readonly<{
  learningRate: number;
  momentum: number;
  weightDecay: number;
}>;

/**
 * Gradient descent with momentum: velocity = momentum velocity + gradient + L2 decay. A scale that is
 * not finite leaves everything as it was.
 */
export const sgdStep = kernel<
  "param" | "gradient" | "velocity" | "scale",
  "param" | "velocity",
  SgdAttributes
>({
  name: "TesseraSgdStep",
  inputs: ["param", "gradient", "velocity", "scale"],
  outputs: ["param", "velocity"],
  consumes: ["param", "velocity"],
  shapes(inputs) {
    sameShapes("sgdStep", inputs);
    return { param: inputs.param, velocity: inputs.param };
  },
  composite({ param, gradient, velocity, scale }, { learningRate, momentum, weightDecay }) {
    const decayed = add(mul(gradient, scale), mul(param, weightDecay));
    const next = add(mul(velocity, momentum), decayed);
    return {
      param: unlessOverflow(scale, sub(param, mul(next, learningRate)), param),
      velocity: unlessOverflow(scale, next, velocity),
    };
  },
});
