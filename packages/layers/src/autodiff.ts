// A layer from its forward alone, for those who extend the system and want no calculus: tfjs
// derives the backward. It runs forward once more to do so, as `recompute` does.

import "@tensorflow/tfjs"; // registers the gradients of all ops
import { grads, tidy, type Tensor } from "@tensorflow/tfjs-core";
import type { Layer } from "./layer.js";
import type { Gradient } from "@tessera/params";
import type { ParamSpec } from "@tessera/params";
import type { ForwardContext } from "./forward_context.js";
import { leafAt, leaves, mapTensors, type Like, type Tree } from "@tessera/params";

/** `f` must be made of tfjs ops only. */
export function fromForward<P extends Tree>(
  spec: Like<P, ParamSpec>,
  f: (params: P, x: Tensor, ctx: ForwardContext) => Tensor,
): Layer<P, { readonly x: Tensor }> {
  return {
    spec,
    forward: (params, x, ctx) => [tidy(() => f(params, x, ctx)), { x: x.clone() }],
    backward(params, { x }, dy, sink, ctx) {
      const named = leaves<Tensor>(params);
      const ofInputs = grads((first, ...rest) => {
        const byPath = new Map(named.map(([path], i) => [path, rest[i]!]));
        return f(
          mapTensors(params, (_leaf, path) => byPath.get(path)!),
          first,
          ctx,
        );
      });
      const [dx, ...gradients] = ofInputs([x, ...named.map(([, leaf]) => leaf)], dy);
      x.dispose();
      named.forEach(([path], i) =>
        leafAt<(gradient: Gradient) => void>(sink, path)!(gradients[i]!),
      );
      return dx!;
    },
  };
}
