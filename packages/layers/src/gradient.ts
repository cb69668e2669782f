// What backward hands to a sink: a gradient, or the promise of one.

import { Tensor } from "@tensorflow/tfjs-core";
import { accumulate, call } from "@tessera/kernels";

/**
 * A gradient that is yet to be computed. The sink decides when: a schedule may put it off to where the
 * pipeline would idle. It is used exactly once, by one of the two calls, which frees what it held.
 */
export interface DeferredGradient {
  /** The gradient, which the caller owns. */
  readonly compute: () => Tensor;
  /** `sum` plus the gradient, without a tensor for the gradient where the backend can. Uses up `sum`. */
  readonly accumulateInto: (sum: Tensor) => Tensor;
}

export type Gradient = Tensor | DeferredGradient;

/** The gradient itself. Uses up `gradient`. */
export const resolveGradient = (gradient: Gradient): Tensor =>
  gradient instanceof Tensor ? gradient : gradient.compute();

/** sum + gradient. Uses up both. */
export const accumulateGradient = (sum: Tensor, gradient: Gradient): Tensor =>
  gradient instanceof Tensor
    ? call(accumulate, { sum, gradient }, {}).total
    : gradient.accumulateInto(sum);
