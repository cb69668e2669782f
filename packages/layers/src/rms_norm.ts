// Root mean square normalization over the last dimension.

import type { Tensor } from "@tensorflow/tfjs-core";
import { call, rmsNorm as rmsNormKernel, rmsNormGradient } from "@tessera/kernels";
import type { Outside, Tokenwise } from "./flow.js";
import { defineLayer, type Layer } from "./layer.js";
import { vector } from "@tessera/params";

/** Weight of an RMS norm, [width]. */
export type RmsNormParams = { readonly gain: Tensor };
/** What an RMS norm saves for backward. */
export type RmsNormSaved = {
  readonly x: Tensor; // [batch, time, width]
  readonly rstd: Tensor; // [rows, 1]
};

/** x [..., width] -> x / sqrt(mean of x^2 + epsilon) * gain (Zhang and Sennrich, 2019). */
export const rmsNorm = <P extends Tokenwise = Outside>(
  width: number,
  epsilon = 1e-5,
): Layer<RmsNormParams, RmsNormSaved, P> =>
  defineLayer({
    spec: { gain: vector([width], null, 1) },
    forward({ gain }, x) {
      const { y, rstd } = call(rmsNormKernel, { x, gain }, { epsilon });
      return [y, { x: x.clone(), rstd }];
    },
    backward({ gain }, { x, rstd }, dy, sink) {
      const { dx, dGain } = call(rmsNormGradient, { x, gain, rstd, dy }, {});
      x.dispose();
      rstd.dispose();
      sink.gain(dGain);
      return dx;
    },
  });
