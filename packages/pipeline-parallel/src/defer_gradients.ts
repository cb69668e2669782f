// A sink that keeps what it is given for later: how backward is split in two halves.

import type { Gradient, GradientSink, Tree } from "@tessera/params";
import { leafAt, mapTree } from "@tessera/params";

export interface DeferredGradients<P extends Tree> {
  readonly sink: GradientSink<P>;
  /** Hands everything on to `behind`, where gradients that are promises are computed. */
  readonly release: (behind: GradientSink<P>) => void;
}

/** A sink shaped like `params` that keeps all gradients until `release`. */
export function deferGradients<P extends Tree>(params: P): DeferredGradients<P> {
  const kept: { readonly path: string; readonly gradient: Gradient }[] = [];
  const sink = mapTree(params, (_leaf, path) => (gradient: Gradient) => {
    kept.push({ path, gradient });
  });
  return {
    sink: sink as unknown as GradientSink<P>,
    release: (behind) => {
      for (const { path, gradient } of kept.splice(0)) {
        leafAt<(gradient: Gradient) => void>(behind, path)!(gradient);
      }
    },
  };
}
