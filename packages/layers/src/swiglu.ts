// The SwiGLU activation.

import type { Tensor } from "@tensorflow/tfjs-core";
import { call, swiglu as swigluKernel, swigluGradient } from "@tessera/kernels";
import type { Outside, Summed } from "./flow.js";
import { defineLayer, type Layer, type NoParams } from "./layer.js";

/** x = [gate, up] [..., 2 width] -> silu(gate) * up [..., width] (Shazeer, 2020). Saves x. */
export const swiglu = <P extends Summed = Outside>(): Layer<NoParams, { readonly x: Tensor }, P> =>
  defineLayer({
    spec: {},
    forward: (_params, x) => [call(swigluKernel, { x }, {}).y, { x: x.clone() }],
    backward(_params, { x }, dy) {
      const { dx } = call(swigluGradient, { x, dy }, {});
      x.dispose();
      return dx;
    },
  });
