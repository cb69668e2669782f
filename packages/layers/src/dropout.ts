// Dropout whose mask is a function of (seed, step, layer, global position).

import type { Tensor } from "@tensorflow/tfjs-core";
import { call, dropout as dropoutKernel, randomSlice } from "@tessera/kernels";
import type { RandomSlice } from "@tessera/kernels/contract";
import { UNSHARDED, type ShardIndex } from "@tessera/mesh";
import type { Layer, NoParams } from "./layer.js";
import { rngKey, type ForwardContext } from "./forward_context.js";

/** The random numbers of x [batch, time, width], as a slice of those of all activations of the step. */
function dropoutSlice(x: Tensor, tokenShard: ShardIndex, ctx: ForwardContext): RandomSlice {
  const [batch, time, width] = x.shape as [number, number, number];
  const shape = [ctx.rows, time * tokenShard.count, width];
  const start = [ctx.firstRow, time * tokenShard.index, 0];
  return randomSlice({ shape, start, size: [batch, time, width] }, rngKey(ctx));
}

/**
 * Zeroes each element of x [batch, time, width] with probability `rate` in training, and scales the others by
 * 1 / (1 - rate). `tokenShard` is the shard of each sequence that x has. Saves nothing: backward generates the mask
 * again.
 */
export function dropout(
  rate: number,
  tokenShard: ShardIndex = UNSHARDED,
): Layer<NoParams, NoParams> {
  const apply = (x: Tensor, ctx: ForwardContext): Tensor =>
    rate === 0 || !ctx.training
      ? x.clone()
      : call(dropoutKernel, { x }, { ...dropoutSlice(x, tokenShard, ctx), rate }).y;
  return {
    spec: {},
    forward: (_params, x, ctx) => [apply(x, ctx), {}],
    backward: (_params, _saved, dy, _sink, ctx) => apply(dy, ctx),
  };
}
