// Stochastic gradient descent with momentum, as PyTorch's.

import { callMultiTensor, sgdStep } from "@tessera/kernels";
import { defineOptimizer } from "./define_optimizer.js";
import type { Decays, Optimizer } from "./optimizer.js";

/** Hyperparameters of SGD. */
export interface SgdOptions {
  /** What remains of the velocity of the step before. 0 is plain gradient descent. */
  readonly momentum: number;
  /** L2, as part of the gradient. */
  readonly weightDecay: number;
}

/** SGD with momentum over fp32 parameters; weight decay acts on those that `decays` says. Slot: velocity. */
export function sgd({ momentum, weightDecay: decay }: SgdOptions, decays: Decays): Optimizer {
  const l2 = (path: string): number => (decays(path) ? decay : 0);
  return defineOptimizer({
    name: "sgd",
    granularity: "element",
    slots: ["velocity"],
    l2,
    update({ paths, params, gradients, slots }, { learningRate, scale }) {
      const weightDecay = paths.map(l2);
      const inputs = { params, gradients, velocities: slots[0]!, scale };
      const next = callMultiTensor(sgdStep, inputs, { momentum, weightDecay, learningRate });
      return { params: next.params, slots: [next.velocities] };
    },
  });
}
