// Layer normalization over the last dimension.

import type { Tensor } from "@tensorflow/tfjs-core";
import { call, layerNorm as layerNormKernel, layerNormGradient } from "@tessera/kernels";
import type { Outside, Tokenwise } from "./flow.js";
import { defineLayer, type Layer } from "./layer.js";
import { vector } from "@tessera/params";

/** Weight and bias of a layer norm, both [width]. */
export type LayerNormParams = { readonly gain: Tensor; readonly bias: Tensor };
/** What a layer norm saves for backward. */
export type LayerNormSaved = {
  readonly x: Tensor; // [batch, time, width]
  readonly mean: Tensor; // [rows, 1]
  readonly rstd: Tensor; // [rows, 1]
};

/** x [..., width] -> (x - mean) / sqrt(variance + epsilon) * gain + bias. */
export const layerNorm = <P extends Tokenwise = Outside>(
  width: number,
  epsilon = 1e-5,
): Layer<LayerNormParams, LayerNormSaved, P> =>
  defineLayer({
    spec: { gain: vector([width], null, 1), bias: vector([width], null, 0) },
    forward({ gain, bias }, x) {
      const { y, mean, rstd } = call(layerNormKernel, { x, gain, bias }, { epsilon });
      return [y, { x: x.clone(), mean, rstd }];
    },
    backward({ gain }, { x, mean, rstd }, dy, sink) {
      const { dx, dGain, dBias } = call(layerNormGradient, { x, gain, mean, rstd, dy }, {});
      x.dispose();
      mean.dispose();
      rstd.dispose();
      sink.gain(dGain);
      sink.bias(dBias);
      return dx;
    },
  });
