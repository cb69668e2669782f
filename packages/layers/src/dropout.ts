// Dropout whose mask is a function of (seed, step, layer, global position).

import type { Tensor } from "@tensorflow/tfjs-core";
import { call, dropout as dropoutKernel, randomSlice } from "@tessera/kernels";
import type { RandomSlice } from "@tessera/kernels/contract";
import type { ShardIndex } from "@tessera/mesh";
import { defineLayer, type Layer, type NoParams } from "./layer.js";
import { rngKey, type ForwardContext } from "./forward_context.js";

/** This rank's shard of each sequence's tokens. */
export type TokenShard = ShardIndex<"tokens">;

/** The random numbers of x [batch, time, width], as a slice of those of all activations of the step. */
function dropoutSlice(x: Tensor, tokenShard: TokenShard, ctx: ForwardContext): RandomSlice {
  const [batch, time, width] = x.shape as [number, number, number];
  const shape = [ctx.rows, time * tokenShard.count, width];
  const start = [ctx.firstRow, time * tokenShard.index, 0];
  return randomSlice({ shape, start, size: [batch, time, width] }, rngKey(ctx));
}

/**
 * Zeroes each element of x [batch, time, width] with probability `rate` in training, and scales the others by
 * 1 / (1 - rate). `tokenShard` is the shard of each sequence that x has: `UNSHARDED`, or that of `TensorParallel`.
 * Saves nothing: backward generates the mask again.
 */
export function dropout(rate: number, tokenShard: TokenShard): Layer<NoParams, NoParams> {
  const apply = (x: Tensor, ctx: ForwardContext): Tensor =>
    rate === 0 || !ctx.training
      ? x.clone()
      : call(dropoutKernel, { x }, { ...dropoutSlice(x, tokenShard, ctx), rate }).y;
  return defineLayer({
    spec: {},
    forward: (_params, x, ctx) => [apply(x, ctx), {}],
    backward: (_params, _saved, dy, _sink, ctx) => apply(dy, ctx),
  });
}
