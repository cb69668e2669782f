// What backward passes to a sink: a gradient, or one whose computation is deferred.

import { Tensor } from "@tensorflow/tfjs-core";
import { accumulate, call } from "@tessera/kernels";

/**
 * A gradient that is not computed yet. The sink decides when: zero-bubble schedules defer weight gradients to where
 * the pipeline would idle. Exactly one of the three is called, once, and frees what the gradient is computed from.
 */
export interface DeferredGradient {
  /** The gradient, which the caller owns. */
  readonly compute: () => Tensor;
  /**
   * `sum` plus the whole gradient, as `compute` gives it: without a tensor for it where the backend can. Consumes `sum`.
   */
  readonly accumulateInto: (sum: Tensor) => Tensor;
  /** Computes nothing. */
  readonly discard: () => void;
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

/** The sink of a frozen parameter: what is deferred is never computed. Consumes `gradient`. */
export function discardGradient(gradient: Gradient): void {
  if (gradient instanceof Tensor) gradient.dispose();
  else gradient.discard();
}

/** Whether a gradient that is sent to `sink`, of one parameter, would be thrown away, and need not be computed. */
export const isDiscarded = (sink: ((gradient: Gradient) => void) | undefined): boolean =>
  sink === discardGradient;
