// A sink that keeps what it is given for later: how backward is split in two halves.

import type { Gradient, Sink, Tree } from "@tessera/layers";
import { leafAt, mapTree } from "@tessera/layers";

export interface PutOff<P extends Tree> {
  readonly sink: Sink<P>;
  /** Hands everything on to `behind`, where gradients that are promises are computed. */
  readonly release: (behind: Sink<P>) => void;
}

/** A sink shaped like `params` that keeps all gradients until `release`. */
export function putOff<P extends Tree>(params: P): PutOff<P> {
  const kept: { readonly path: string; readonly gradient: Gradient }[] = [];
  const sink = mapTree(params, (_leaf, path) => (gradient: Gradient) => {
    kept.push({ path, gradient });
  });
  return {
    sink: sink as unknown as Sink<P>,
    release: (behind) => {
      for (const { path, gradient } of kept.splice(0)) {
        leafAt<(gradient: Gradient) => void>(behind, path)!(gradient);
      }
    },
  };
}
