// Adam (Kingma and Ba, 2015), and AdamW (Loshchilov and Hutter, 2019).

import type { Tensor } from "@tensorflow/tfjs-core";
import { adamStep, callMultiTensor } from "@tessera/kernels";
import { defineOptimizer } from "./define_optimizer.js";
import type { Decays, Optimizer } from "./optimizer.js";

/** Hyperparameters of Adam. */
export interface AdamOptions {
  /** Decay of the mean of gradients. */
  readonly beta1: number;
  /** Decay of the mean of their squares. */
  readonly beta2: number;
  /** Added to the root of the second moment. */
  readonly epsilon: number;
  /** Of parameters whose spec has `decay`: decoupled in AdamW, added to the gradient in Adam. */
  readonly weightDecay: number;
  /** AdamW, whose decay acts on the weights; else Adam, whose decay is part of the gradient. */
  readonly decoupled: boolean;
}

/** Adam or AdamW over fp32 parameters; weight decay acts on those that `decays` says. Slots: mean, square. */
export function adam(options: AdamOptions, decays: Decays): Optimizer {
  const decayOf = (path: string): number => (decays(path) ? options.weightDecay : 0);
  return defineOptimizer({
    name: options.decoupled ? "adamw" : "adam",
    granularity: "element",
    slots: ["mean", "square"],
    l2: (path) => (options.decoupled ? 0 : decayOf(path)),
    update({ paths, params, gradients, slots }, { learningRate, step, scale }) {
      const [means, squares] = slots as [readonly Tensor[], readonly Tensor[]];
      const weightDecay = paths.map(decayOf);
      const inputs = { params, gradients, means, squares, scale };
      const attributes = { ...options, weightDecay, learningRate, step };
      const next = callMultiTensor(adamStep, inputs, attributes);
      return { params: next.params, slots: [next.means, next.squares] };
    },
  });
}
