// The simplest gradient sink: it sums the gradients of each parameter.

import { Tensor, zerosLike } from "@tensorflow/tfjs-core";
import { accumulateAll, callMultiTensor } from "@tessera/kernels";
import { accumulateGradient, resolveGradient, type Gradient } from "./gradient.js";
import { createSink, mapTensors, type GradientSink, type Tree } from "./tree.js";

/** A sink, and the sums of what it has been given. */
export interface Accumulator<P extends Tree> {
  readonly sink: GradientSink<P>;
  /** Returns the sums so far, zeros where there was no gradient, and restarts at zero. The caller owns them. */
  readonly take: () => P;
}

/** Gradients of at most this many elements, biases and norms, wait to be added in one call. */
const MAX_SMALL_ELEMENTS = 2 ** 16;
const MAX_WAITING = 64;

/** Sums gradients by parameter, over any number of backward passes. */
export function accumulate<P extends Tree>(params: P): Accumulator<P> {
  const sums = new Map<string, Tensor>();
  const waiting = new Map<string, Tensor>();
  const flush = (): void => {
    if (waiting.size === 0) return;
    const paths = [...waiting.keys()];
    const inputs = { sums: paths.map((path) => sums.get(path)!), gradients: [...waiting.values()] };
    const { totals } = callMultiTensor(accumulateAll, inputs, {});
    paths.forEach((path, i) => sums.set(path, totals[i]!));
    waiting.clear();
  };
  const add = (path: string, sum: Tensor, gradient: Gradient): void => {
    if (gradient instanceof Tensor && gradient.size <= MAX_SMALL_ELEMENTS) {
      waiting.set(path, gradient);
    } else {
      sums.set(path, accumulateGradient(sum, gradient));
    }
  };
  const sink = createSink(params, (path, gradient) => {
    if (waiting.has(path) || waiting.size === MAX_WAITING) flush();
    const sum = sums.get(path);
    if (sum === undefined) sums.set(path, resolveGradient(gradient));
    else add(path, sum, gradient);
  });
  return {
    sink,
    take() {
      flush();
      const total = mapTensors(params, (leaf, path) => sums.get(path) ?? zerosLike(leaf));
      sums.clear();
      return total;
    },
  };
}
