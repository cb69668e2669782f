// What backward passes to a sink: a gradient, or one whose computation is deferred.

import { Tensor } from "@tensorflow/tfjs-core";
import { accumulate, call } from "@tessera/kernels";

/**
 * A gradient that is not computed yet. The sink decides when: zero-bubble schedules defer weight gradients to where
 * the pipeline would idle. Exactly one of the two is called, once, and frees what the gradient is computed from.
 */
export interface DeferredGradient {
  /** The gradient, which the caller owns. */
  readonly compute: () => Tensor;
  /**
   * `sum` plus the whole gradient, as `compute` gives it: without a tensor for it where the backend can. Consumes `sum`.
   */
  readonly accumulateInto: (sum: Tensor) => Tensor;
}

/** A gradient, computed or deferred. */
export type Gradient = Tensor | DeferredGradient;

/** The gradient, computed. Consumes `gradient`. */
export const resolveGradient = (gradient: Gradient): Tensor =>
  gradient instanceof Tensor ? gradient : gradient.compute();

/** sum + gradient. Consumes both. */
export const accumulateGradient = (sum: Tensor, gradient: Gradient): Tensor =>
  gradient instanceof Tensor
    ? call(accumulate, { sum, gradient }, {}).total
    : gradient.accumulateInto(sum);
