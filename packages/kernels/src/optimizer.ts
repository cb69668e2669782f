// One optimizer step for all parameters of a rank, in place where the backend can.

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
import { expectShape, type Shape } from "./kernel.js";
import type { MultiTensorKernel } from "./multi_tensor.js";

/** Adam's hyperparameters for one step. */
export type AdamAttributes = Readonly<{
  learningRate: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  /** One per parameter. */
  weightDecay: readonly number[];
  /** AdamW (Loshchilov and Hutter, 2019): decay apart from the gradient. Else L2, inside it. */
  decoupled: boolean;
  /** Counts from 1. */
  step: number;
}>;

/** Throws unless each tensor of a list has the shape of its parameter, and has a weight decay. */
function checkLists(
  name: string,
  { params, ...others }: Readonly<Record<string, readonly Shape[]>> & { params: readonly Shape[] },
  weightDecay: readonly number[],
): void {
  for (const [list, shapes] of Object.entries(others)) {
    shapes.forEach((shape, i) => expectShape(name, `${list}[${i}]`, shape, params[i]!));
  }
  if (weightDecay.length !== params.length) {
    throw new Error(`${name}: ${weightDecay.length} weight decays for ${params.length} parameters`);
  }
}

/**
 * `updated`, or `before` where `scale` is not finite: a gradient overflowed, and the step is skipped
 * without anyone reading a value back.
 */
const unlessOverflow = (scale: Tensor, updated: Tensor, before: Tensor): Tensor =>
  where(isFinite(scale), updated, before);

/**
 * Adam (Kingma and Ba, 2015). Gradients are multiplied by the scalar `scale` first, which carries
 * clipping and averaging; `means` and `squares` are the running moments. A scale that is not finite
 * leaves everything as it was.
 */
export const adamStep: MultiTensorKernel<
  "params" | "gradients" | "means" | "squares",
  "scale",
  "params" | "means" | "squares",
  never,
  AdamAttributes
> = {
  name: "TesseraAdamStep",
  lists: ["params", "gradients", "means", "squares"],
  inputs: ["scale"],
  outputLists: ["params", "means", "squares"],
  outputs: [],
  consumes: ["params", "means", "squares"],
  shapes({ scale, ...lists }, { weightDecay }) {
    expectShape("adamStep", "scale", scale, []);
    checkLists("adamStep", lists, weightDecay);
    return { params: lists.params, means: lists.params, squares: lists.params };
  },
  composite({ params, gradients, means, squares, scale }, attributes) {
    const updated = params.map((param, i) =>
      adamUpdate(
        { param, gradient: mul(gradients[i]!, scale), mean: means[i]!, square: squares[i]! },
        attributes,
        attributes.weightDecay[i]!,
      ),
    );
    const unless = (name: "param" | "mean" | "square", before: readonly Tensor[]) =>
      updated.map((tensors, i) => unlessOverflow(scale, tensors[name], before[i]!));
    return {
      params: unless("param", params),
      means: unless("mean", means),
      squares: unless("square", squares),
    };
  },
};

type AdamTensors = Readonly<Record<"param" | "gradient" | "mean" | "square", Tensor>>;

function adamUpdate(tensors: AdamTensors, attributes: AdamAttributes, weightDecay: number) {
  const { learningRate, beta1, beta2, epsilon, decoupled, step } = attributes;
  const { param } = tensors;
  const l2 = weightDecay !== 0 && !decoupled;
  const gradient = l2 ? add(tensors.gradient, mul(param, weightDecay)) : tensors.gradient;
  const mean: Tensor = add(mul(tensors.mean, beta1), mul(gradient, 1 - beta1));
  const moment: Tensor = add(mul(tensors.square, beta2), mul(square(gradient), 1 - beta2));
  const correction = Math.sqrt(1 - beta2 ** step);
  const size = add(div(sqrt(moment), correction), epsilon);
  const update = mul(div(mean, size), learningRate / (1 - beta1 ** step));
  const decayed = decoupled ? mul(param, 1 - learningRate * weightDecay) : param;
  return { param: sub<Tensor>(decayed, update), mean, square: moment };
}

/** Settings of one step of `sgd`, for all parameters of a list. */
export type SgdAttributes = Readonly<{
  learningRate: number;
  momentum: number;
  /** One per parameter. */
  weightDecay: readonly number[];
}>;

/**
 * Gradient descent with momentum: velocity = momentum velocity + gradient + L2 decay. A scale that is
 * not finite leaves everything as it was.
 */
export const sgdStep: MultiTensorKernel<
  "params" | "gradients" | "velocities",
  "scale",
  "params" | "velocities",
  never,
  SgdAttributes
> = {
  name: "TesseraSgdStep",
  lists: ["params", "gradients", "velocities"],
  inputs: ["scale"],
  outputLists: ["params", "velocities"],
  outputs: [],
  consumes: ["params", "velocities"],
  shapes({ scale, ...lists }, { weightDecay }) {
    expectShape("sgdStep", "scale", scale, []);
    checkLists("sgdStep", lists, weightDecay);
    return { params: lists.params, velocities: lists.params };
  },
  composite({ params, gradients, velocities, scale }, { learningRate, momentum, weightDecay }) {
    const next = params.map((param, i) => {
      const decayed = add(mul(gradients[i]!, scale), mul(param, weightDecay[i]!));
      return add<Tensor>(mul(velocities[i]!, momentum), decayed);
    });
    return {
      params: params.map((param, i) =>
        unlessOverflow(scale, sub(param, mul(next[i]!, learningRate)), param),
      ),
      velocities: next.map((velocity, i) => unlessOverflow(scale, velocity, velocities[i]!)),
    };
  },
};
