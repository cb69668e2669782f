// Gradients put off for as long as something is being sent, which passes while they are computed.

import { Tensor } from "@tensorflow/tfjs-core";
import { leafAt, mapTree, type Gradient, type Sink, type Tree } from "@tessera/layers";

/** How many are put off: those of a stretch's first product, or of its query and its keys and values. */
const MOST = 2;

type Give = (gradient: Gradient) => void;

export interface Held<P extends Tree> {
  readonly sink: Sink<P>;
  /** Gives what was put off. */
  readonly settle: () => void;
}

/** A sink that gives gradients on to `sink`, the last few of those yet to be computed at `settle`. */
export function holdLate<P extends Tree>(params: P, sink: Sink<P>): Held<P> {
  const late: (readonly [Give, Gradient])[] = [];
  const settle = (most: number): void => {
    while (late.length > most) {
      const [give, gradient] = late.shift()!;
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
      late.push([give, gradient]);
      settle(MOST);
    };
  });
  return { sink: holding as unknown as Sink<P>, settle: () => settle(0) };
}
