// Causal self-attention, grouped-query (Ainslie et al., 2023) where there are fewer KV heads than heads. Under tensor
// parallelism each rank has a shard of the heads.

import { reshape, type Tensor } from "@tensorflow/tfjs-core";
import {
  call,
  causalAttention,
  causalAttentionGradient,
  randomSlice,
  rotary as rotaryKernel,
} from "@tessera/kernels";
import type { AttentionAttributes, RandomSlice } from "@tessera/kernels/contract";
import { UNSHARDED } from "@tessera/mesh";
import { disposeTree } from "@tessera/params";
import { claim, type Placed, type Sharded } from "@tessera/params/placement";
import { addAndDispose, reshapeAndDispose } from "./and_dispose.js";
import { checkDivides } from "./check_sizes.js";
import { childContext, rngKey, type ForwardContext } from "./forward_context.js";
import { defineLayer, type Layer } from "./layer.js";
import {
  columns,
  linear,
  rows,
  type LinearParams,
  type LinearSaved,
  type WeightShard,
} from "./linear.js";
import { rotaryAngles, type Rotary, type RotaryAngles } from "./rotary.js";

/** The projections of attention. */
export type AttentionParams = {
  readonly query: LinearParams;
  readonly keyValue: LinearParams;
  readonly output: LinearParams;
};
/** What attention saves for backward. */
export type AttentionSaved = {
  readonly query: LinearSaved;
  readonly keyValue: LinearSaved;
  readonly output: LinearSaved;
  readonly q: Tensor; // [batch, time, heads, depth]
  readonly kv: Tensor; // [batch, time, 2, KV heads, depth]
  readonly y: Tensor; // [batch, time, heads, depth]
  readonly logSumExp: Tensor; // [batch, heads, time]
};

/** The sizes of an attention layer. */
export interface AttentionOptions {
  /** The hidden size: x and y are [batch, time, width]. */
  readonly width: number;
  readonly heads: number;
  /** Number of KV heads, a divisor of `heads`. Default: `heads`. */
  readonly kvHeads?: number;
  /** Elements of a head. Default: width / heads. */
  readonly headSize?: number;
  /** Whether the projections have biases; `qkv`: all but the output's. Default: true. */
  readonly bias?: boolean | "qkv";
  /** Rotary position embedding. Default: null, for none. */
  readonly rotary?: Rotary | null;
  /** Standard deviation of the initial query, key and value weights. */
  readonly std: number;
  /** Standard deviation of the initial output weight, which GPT-2 scales by the number of layers. */
  readonly outputStd: number;
  /** Probability of dropping an attention probability in training. Default: 0. */
  readonly dropout?: number;
  /** This rank's shard of the heads. Default: all of them. */
  readonly shard?: WeightShard;
}

/** How heads of one size turn. */
type Turns = RotaryAngles & Pick<Rotary, "pairs">;

interface RotateOptions {
  /** Position of each row's first token, or one for all rows. Default: 0. */
  readonly firstPositions?: readonly number[] | undefined;
  /** Whether to rotate back, as gradients are. Default: false. */
  readonly inverse?: boolean;
}

/**
 * Rotates queries [batch, time, heads, depth], or the keys of keyValue [batch, time, 2, heads, depth], by their
 * positions. Consumes x.
 */
function rotate(
  x: Tensor,
  turns: Turns | null,
  { firstPositions = [0], inverse = false }: RotateOptions,
): Tensor {
  if (turns === null) return x;
  const [batch, time] = x.shape as [number, number];
  const [heads, depth] = x.shape.slice(-2) as [number, number];
  const flat = reshapeAndDispose(x, [batch, time, -1, depth]);
  const attributes = {
    ...turns,
    heads,
    starts: firstPositions,
    inverse,
  };
  return reshapeAndDispose(call(rotaryKernel, { x: flat }, attributes).y, x.shape);
}

/** The random numbers for the probabilities of q [batch, time, heads, depth], as a slice of those of the step. */
function dropoutSlice(
  q: Tensor,
  heads: number,
  shard: WeightShard,
  ctx: ForwardContext,
): RandomSlice {
  const [batch, time, localHeads] = q.shape as [number, number, number, number];
  const slice = {
    shape: [ctx.rows, heads, time, time],
    start: [ctx.firstRow, localHeads * shard.index, 0, 0],
    size: [batch, localHeads, time, time],
  };
  return randomSlice(slice, rngKey(ctx));
}

function headSizeOf({ width, heads, headSize }: AttentionOptions): number {
  if (headSize !== undefined) return headSize;
  checkDivides(heads, "heads", width, "a width");
  return width / heads;
}

/** The projections before and after attention, sharded by heads. */
function createProjections(options: AttentionOptions) {
  const { width, heads, kvHeads = heads, std, outputStd, bias = true, shard } = options;
  const depth = headSizeOf(options);
  checkDivides(kvHeads, "KV heads", heads, "a number of heads");
  const inputs = { inFeatures: width, std, bias: bias !== false, shard };
  return {
    query: linear({
      ...inputs,
      outFeatures: heads * depth,
      split: columns("heads", { units: heads }),
    }),
    keyValue: linear({
      ...inputs,
      outFeatures: [2, kvHeads * depth],
      split: columns("KV heads", { units: kvHeads, rule: "replicated" }),
    }),
    output: linear({
      ...inputs,
      inFeatures: heads * depth,
      std: outputStd,
      bias: bias === true,
      outFeatures: width,
      split: rows("heads", { units: heads }),
    }),
  };
}

/** x [batch, time, width] -> y of the same shape. With a `shard`, y are partial sums over the ranks. */
export function selfAttention(
  options: AttentionOptions,
): Layer<AttentionParams, AttentionSaved, "replicated", "partial"> {
  const { heads, dropout = 0, rotary = null, shard = UNSHARDED } = options;
  const { query, keyValue, output } = createProjections(options);
  const depth = headSizeOf(options);
  const scale = 1 / Math.sqrt(depth);
  const turns = rotary && { ...rotaryAngles(rotary, depth), pairs: rotary.pairs };

  const attributes = (q: Tensor, ctx: ForwardContext): AttentionAttributes => ({
    ...dropoutSlice(q, heads, shard, ctx),
    scale,
    rate: ctx.training ? dropout : 0,
  });

  return defineLayer({
    spec: { query: query.spec, keyValue: keyValue.spec, output: output.spec },
    forward(params, x, ctx) {
      const [batch, time] = x.shape as [number, number, number];
      const inside = (name: string): ForwardContext => childContext(ctx, name);
      const [qFlat, querySaved] = query.forward(params.query, x, inside("query"));
      const [kvFlat, keyValueSaved] = keyValue.forward(params.keyValue, x, inside("keyValue"));
      const offsets = { firstPositions: ctx.cache?.lengths };
      const q = rotate(reshapeAndDispose(qFlat, [batch, time, -1, depth]), turns, offsets);
      const kv = rotate(reshapeAndDispose(kvFlat, [batch, time, 2, -1, depth]), turns, offsets);
      const attention = ctx.cache
        ? ctx.cache.attend(ctx.path, q, kv, scale)
        : call(causalAttention, { query: q, keyValue: kv, starts: ctx.starts }, attributes(q, ctx));
      const merged = claim<Sharded<"heads">>(reshape(attention.y, [batch, time, -1]));
      const [y, outputSaved] = output.forward(params.output, merged, inside("output"));
      merged.dispose();
      return [
        y,
        { query: querySaved, keyValue: keyValueSaved, output: outputSaved, q, kv, ...attention },
      ];
    },
    backward(params, saved, dy, sink, ctx) {
      const { q, kv, y, logSumExp } = saved;
      const [batch, time] = dy.shape as [number, number, number];
      const dMerged = output.backward(params.output, saved.output, dy, sink.output, ctx);
      const dAttention = reshapeAndDispose(dMerged, q.shape);
      const owned = { query: q, keyValue: kv, y, logSumExp, dy: dAttention };
      const inputs = { ...owned, starts: ctx.starts };
      const { dQuery, dKeyValue } = call(causalAttentionGradient, inputs, attributes(q, ctx));
      disposeTree(owned);
      const unrotate = <Dim extends string>(dx: Tensor): Placed<Sharded<Dim>> =>
        claim(reshapeAndDispose(rotate(dx, turns, { inverse: true }), [batch, time, -1]));
      const [dq, dkv] = [unrotate<"heads">(dQuery), unrotate<"KV heads">(dKeyValue)];
      const dxQuery = query.backward(params.query, saved.query, dq, sink.query, ctx);
      const dxKeyValue = keyValue.backward(
        params.keyValue,
        saved.keyValue,
        dkv,
        sink.keyValue,
        ctx,
      );
      dq.dispose();
      dkv.dispose();
      return addAndDispose(dxQuery, dxKeyValue);
    },
  });
}
