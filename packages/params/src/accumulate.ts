// The simplest gradient sink: it sums what each parameter is given.

import { zerosLike, type Tensor } from "@tensorflow/tfjs-core";
import { accumulateGradient, resolveGradient, type Gradient } from "./gradient.js";
import { mapTensors, mapTree, type GradientSink, type Tree } from "./tree.js";

export interface Accumulator<P extends Tree> {
  readonly sink: GradientSink<P>;
  /** Takes the sums so far, zeros where no gradient came. The caller owns them; sums restart at zero. */
  readonly take: () => P;
}

/** Sums gradients by parameter, over any number of backward passes. */
export function accumulate<P extends Tree>(params: P): Accumulator<P> {
  const sums = new Map<string, Tensor>();
  const sink = mapTree(params, (_leaf: Tensor, path) => (gradient: Gradient) => {
    const sum = sums.get(path);
    sums.set(path, sum ? accumulateGradient(sum, gradient) : resolveGradient(gradient));
  });
  return {
    sink: sink as unknown as GradientSink<P>,
    take() {
      const taken = mapTensors(params, (leaf, path) => sums.get(path) ?? zerosLike(leaf));
      sums.clear();
      return taken;
    },
  };
}
