// Gradients put off for as long as something is being sent, which passes while they are computed.

import { Tensor } from "@tensorflow/tfjs-core";
import { leafAt, mapTree, type Gradient, type GradientSink, type Tree } from "@tessera/params";

/** How many are put off: those of a stretch's first product, or of its query and its keys and values. */
const MAX_DEFERRED = 2;

type Give = (gradient: Gradient) => void;

export interface DeferredSink<P extends Tree> {
  readonly sink: GradientSink<P>;
  /** Gives what was put off. */
  readonly flush: () => void;
}

/** A sink that gives gradients on to `sink`, the last few of those yet to be computed at `flush`. */
export function deferWeightGradients<P extends Tree>(
  params: P,
  sink: GradientSink<P>,
): DeferredSink<P> {
  const deferred: (readonly [Give, Gradient])[] = [];
  const settle = (most: number): void => {
    while (deferred.length > most) {
      const [give, gradient] = deferred.shift()!;
      give(gradient);
    }
  };
  const holding = mapTree(params, (_leaf: Tensor, path) => {
    const give = leafAt<Give>(sink, path)!;
    return (gradient: Gradient): void => {
      if (gradient instanceof Tensor) {
        give(gradient);
        return;
      }
      deferred.push([give, gradient]);
      settle(MAX_DEFERRED);
    };
  });
  return { sink: holding as unknown as GradientSink<P>, flush: () => settle(0) };
}
