// Splits backward in two halves: weight gradients are stored, and computed when the schedule says so.

import {
  createSink,
  sendGradient,
  type Gradient,
  type GradientSink,
  type Tree,
} from "@tessera/params";
import type { IsFrozen } from "@tessera/params/frozen";

/** A sink, and the gradients that it stores. */
export interface DeferredGradients<P extends Tree> {
  readonly sink: GradientSink<P>;
  /** Sends all stored gradients to `target`, which computes the deferred ones. */
  readonly release: (target: GradientSink<P>) => void;
}

/** A sink that stores all gradients of `params` until `release`. Those of frozen parameters are discarded. */
export function deferGradients<P extends Tree>(
  params: P,
  isFrozen?: IsFrozen,
): DeferredGradients<P> {
  const stored: (readonly [path: string, gradient: Gradient])[] = [];
  return {
    sink: createSink(params, (path, gradient) => stored.push([path, gradient]), isFrozen),
    release(target) {
      for (const [path, gradient] of stored.splice(0)) sendGradient(target, path, gradient);
    },
  };
}
