// A layer from its forward alone: tfjs derives the backward. To do so it runs forward once more, as `recompute` does.

import "./register_gradients.js";
import { grads, tidy, type Tensor } from "@tensorflow/tfjs-core";
import {
  leaves,
  mapTensors,
  sendGradient,
  type Like,
  type ParamSpec,
  type Tree,
} from "@tessera/params";
import type { Placement } from "@tessera/params/placement";
import type { ForwardContext } from "./forward_context.js";
import type { Outside } from "./flow.js";
import { defineLayer, type Layer } from "./layer.js";

/** The layer that computes `f`, which must consist of tfjs ops. Saves x alone. */
export function fromForward<
  P extends Tree,
  In extends Placement = Outside,
  Out extends Placement = In,
>(
  spec: Like<P, ParamSpec>,
  f: (params: P, x: Tensor, ctx: ForwardContext) => Tensor,
): Layer<P, { readonly x: Tensor }, In, Out> {
  return defineLayer({
    spec,
    forward: (params, x, ctx) => [tidy(() => f(params, x, ctx)), { x: x.clone() }],
    backward(params, { x }, dy, sink, ctx) {
      const named = leaves<Tensor>(params);
      const computeGradients = grads((input, ...values) => {
        const byPath = new Map(named.map(([path], i) => [path, values[i]!]));
        return f(
          mapTensors(params, (_leaf, path) => byPath.get(path)!),
          input,
          ctx,
        );
      });
      const [dx, ...gradients] = computeGradients([x, ...named.map(([, leaf]) => leaf)], dy);
      x.dispose();
      named.forEach(([path], i) => sendGradient(sink, path, gradients[i]!));
      return dx!;
    },
  });
}
