// Splits backward in two halves: weight gradients are stored, and computed when the schedule says so.

import {
  createSink,
  sendGradient,
  type Gradient,
  type GradientSink,
  type Tree,
} from "@tessera/params";

/** A sink, and the gradients that it stores. */
export interface DeferredGradients<P extends Tree> {
  readonly sink: GradientSink<P>;
  /** Sends all stored gradients to `target`, which computes the deferred ones. */
  readonly release: (target: GradientSink<P>) => void;
}

/** A sink that stores all gradients of `params` until `release`. */
export function deferGradients<P extends Tree>(params: P): DeferredGradients<P> {
  const stored: (readonly [path: string, gradient: Gradient])[] = [];
  return {
    sink: createSink(params, (path, gradient) => stored.push([path, gradient])),
    release(target) {
      for (const [path, gradient] of stored.splice(0)) sendGradient(target, path, gradient);
    },
  };
}
