// Dropout whose mask is a function of (seed, step, layer, global position).

import type { Tensor } from "@tensorflow/tfjs-core";
import { call, dropout as dropoutKernel, randomSlice } from "@tessera/kernels";
import type { RandomSlice } from "@tessera/kernels/contract";
import { UNSHARDED, type ShardIndex } from "@tessera/mesh";
import type { Layer, NoParams } from "./layer.js";
import { rngKey, type ForwardContext } from "./forward_context.js";

/** Where x [batch, time, width] stands in the activations of the whole step. */
function dropoutSlice(x: Tensor, tokens: ShardIndex, ctx: ForwardContext): RandomSlice {
  const [batch, time, width] = x.shape as [number, number, number];
  const whole = [ctx.rows, time * tokens.count, width];
  const start = [ctx.firstRow, time * tokens.index, 0];
  return randomSlice({ shape: whole, start, size: [batch, time, width] }, rngKey(ctx));
}

/**
 * Zeroes `rate` of x [batch, time, width] in training. `tokens` is the part of each sequence that x
 * holds. Nothing is kept for backward: the mask is drawn again.
 */
export function dropout(rate: number, tokens: ShardIndex = UNSHARDED): Layer<NoParams, NoParams> {
  const apply = (x: Tensor, ctx: ForwardContext): Tensor =>
    rate === 0 || !ctx.training
      ? x.clone()
      : call(dropoutKernel, { x }, { ...dropoutSlice(x, tokens, ctx), rate }).y;
  return {
    spec: {},
    forward: (_params, x, ctx) => [apply(x, ctx), {}],
    backward: (_params, _saved, dy, _sink, ctx) => apply(dy, ctx),
  };
}
