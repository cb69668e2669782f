// Dropout whose mask is a function of (seed, step, layer, global position).

import type { Tensor } from "@tensorflow/tfjs-core";
import { call, drawOf, dropout as dropoutKernel, type Draw } from "@tessera/kernels";
import { UNSHARDED, type ShardIndex } from "@tessera/mesh";
import type { Layer, Nothing } from "./layer.js";
import { keyAt, type Step } from "./step.js";

/** Where x [batch, time, width] stands in the activations of the whole step. */
function drawFor(x: Tensor, tokens: ShardIndex, at: Step): Draw {
  const [batch, time, width] = x.shape as [number, number, number];
  const whole = [at.rows, time * tokens.count, width];
  const start = [at.firstRow, time * tokens.index, 0];
  return drawOf({ shape: whole, start, size: [batch, time, width] }, keyAt(at));
}

/**
 * Zeroes `rate` of x [batch, time, width] in training. `tokens` is the part of each sequence that x
 * holds. Nothing is kept for backward: the mask is drawn again.
 */
export function dropout(rate: number, tokens: ShardIndex = UNSHARDED): Layer<Nothing, Nothing> {
  const apply = (x: Tensor, at: Step): Tensor =>
    rate === 0 || !at.training
      ? x.clone()
      : call(dropoutKernel, { x }, { ...drawFor(x, tokens, at), rate }).y;
  return {
    spec: {},
    forward: (_params, x, at) => [apply(x, at), {}],
    backward: (_params, _saved, dy, _sink, at) => apply(dy, at),
  };
}
