// Half of recomputation, where it is nearly free: what a cheap layer hands to a linear one is not
// kept, but made again from the cheap layer's input.

import type { Tensor } from "@tensorflow/tfjs-core";
import type { Layer, NoParams } from "./layer.js";
import type { LinearParams, LinearSaved } from "./linear.js";
import { disposeTree, type Tree } from "@tessera/params";

/**
 * linear(cheap(x)). A linear layer's record is its input alone, so backward runs `cheap` once more,
 * but not the product.
 */
export const saveInput = <S extends Tree>(
  cheap: Layer<NoParams, S>,
  linear: Layer<LinearParams, LinearSaved>,
): Layer<LinearParams, { readonly x: Tensor }> => ({
  spec: linear.spec,
  forward(params, x, ctx) {
    const [h, ofCheap] = cheap.forward({}, x, ctx);
    disposeTree(ofCheap);
    const [y, ofLinear] = linear.forward(params, h, ctx);
    disposeTree(ofLinear);
    h.dispose();
    return [y, { x: x.clone() }];
  },
  backward(params, { x }, dy, sink, ctx) {
    const [h, ofCheap] = cheap.forward({}, x, ctx);
    x.dispose();
    const dh = linear.backward(params, { x: h }, dy, sink, ctx);
    const dx = cheap.backward({}, ofCheap, dh, {}, ctx);
    dh.dispose();
    return dx;
  },
});
