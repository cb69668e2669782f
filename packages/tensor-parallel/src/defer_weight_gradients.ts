// Defers weight-gradient GEMMs so that they overlap with the all-reduce in flight.

import { Tensor } from "@tensorflow/tfjs-core";
import { sendGradient, type Gradient, type GradientSink, type Tree } from "@tessera/params";
import { divertSink } from "@tessera/params/frozen";

/** Gradients deferred at most: of a region's first linear layer, or of its query and key-value projections. */
const MAX_DEFERRED = 2;

/** A sink, and the gradients that it defers. */
export interface DeferredSink<P extends Tree> {
  readonly sink: GradientSink<P>;
  /** Sends the deferred gradients. */
  readonly flush: () => void;
}

/** A sink that passes gradients on to `sink`; the last deferred ones wait for `flush`. */
export function deferWeightGradients<P extends Tree>(sink: GradientSink<P>): DeferredSink<P> {
  const deferred: (readonly [path: string, gradient: Gradient])[] = [];
  const drain = (limit: number): void => {
    while (deferred.length > limit) sendGradient(sink, ...deferred.shift()!);
  };
  return {
    sink: divertSink(sink, (path, gradient) => {
      if (gradient instanceof Tensor) {
        sendGradient(sink, path, gradient);
        return;
      }
      deferred.push([path, gradient]);
      drain(MAX_DEFERRED);
    }),
    flush: () => drain(0),
  };
}
