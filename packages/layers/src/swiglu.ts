// The SwiGLU activation.

import type { Tensor } from "@tensorflow/tfjs-core";
import { call, swiglu as swigluKernel, swigluGradient } from "@tessera/kernels";
import type { Layer, NoParams } from "./layer.js";

/** x = [gate, up] [..., 2 width] -> silu(gate) * up [..., width] (Shazeer, 2020). Saves x. */
export const swiglu = (): Layer<NoParams, { readonly x: Tensor }> => ({
  spec: {},
  forward: (_params, x) => [call(swigluKernel, { x }, {}).y, { x: x.clone() }],
  backward(_params, { x }, dy) {
    const { dx } = call(swigluGradient, { x, dy }, {});
    x.dispose();
    return dx;
  },
});
