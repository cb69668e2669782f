// Selective recomputation where it is nearly free: the output of an activation function is not saved for the linear
// layer after it, but computed again from the activation function's input.

import { disposeTree, type Tree } from "@tessera/params";
import type { Placed, Placement } from "@tessera/params/placement";
import { defineLayer, type Layer, type NoParams } from "./layer.js";
import type { LinearParams, LinearSaved } from "./linear.js";

/**
 * linear(activation(x)), which saves x alone. A linear layer saves only its input, so backward runs `activation`
 * again, but not the product.
 */
export const saveInput = <
  S extends Tree,
  In extends Placement,
  Between extends Placement,
  Out extends Placement,
>(
  activation: Layer<NoParams, S, In, Between>,
  linear: Layer<LinearParams, LinearSaved, Between, Out>,
): Layer<LinearParams, { readonly x: Placed<In> }, In, Out> =>
  defineLayer({
    spec: linear.spec,
    forward(params, x, ctx) {
      const [h, activationSaved] = activation.forward({}, x, ctx);
      disposeTree(activationSaved);
      const [y, linearSaved] = linear.forward(params, h, ctx);
      disposeTree(linearSaved);
      h.dispose();
      return [y, { x: x.clone() }];
    },
    backward(params, { x }, dy, sink, ctx) {
      const [h, activationSaved] = activation.forward({}, x, ctx);
      x.dispose();
      const dh = linear.backward(params, { x: h }, dy, sink, ctx);
      const dx = activation.backward({}, activationSaved, dh, {}, ctx);
      dh.dispose();
      return dx;
    },
  });
