// A sink that keeps what it is given for later: how backward is split in two halves.

import type { Gradient, Sink, Tree } from "@tessera/layers";
import { leafAt, mapTree } from "@tessera/layers";

export interface PutOff<P extends Tree> {
  readonly sink: Sink<P>;
  /** Hands everything on to the sink behind, where gradients that are promises are computed. */
  readonly release: () => void;
}

/** `sink`, with all gradients put off until `release`. */
export function putOff<P extends Tree>(params: P, sink: Sink<P>): PutOff<P> {
  const kept: (() => void)[] = [];
  const holding = mapTree(params, (_leaf, path) => (gradient: Gradient) => {
    const behind = leafAt<(gradient: Gradient) => void>(sink, path)!;
    kept.push(() => behind(gradient));
  });
  return {
    sink: holding as unknown as Sink<P>,
    release: () => {
      for (const hand of kept.splice(0)) hand();
    },
  };
}
