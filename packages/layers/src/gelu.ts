// The GELU activation.

import type { Tensor } from "@tensorflow/tfjs-core";
import { call, gelu as geluKernel, geluGradient } from "@tessera/kernels";
import type { GeluForm } from "@tessera/kernels/contract";
import type { Outside, Summed } from "./flow.js";
import { defineLayer, type Layer, type NoParams } from "./layer.js";

/** Elementwise GELU. `tanh` is the approximation that GPT-2 was trained with. Saves x. */
export const gelu = <P extends Summed = Outside>(
  form: GeluForm = "tanh",
): Layer<NoParams, { readonly x: Tensor }, P> =>
  defineLayer({
    spec: {},
    forward: (_params, x) => [call(geluKernel, { x }, { form }).y, { x: x.clone() }],
    backward(_params, { x }, dy) {
      const { dx } = call(geluGradient, { x, dy }, { form });
      x.dispose();
      return dx;
    },
  });
