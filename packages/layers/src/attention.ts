// Causal self-attention, with key and value heads that several query heads may share (Ainslie et
// al., 2023). Inside a region each rank holds its part of the heads.

import { reshape, type Tensor } from "@tensorflow/tfjs-core";
import {
  call,
  causalAttention,
  causalAttentionGradient,
  randomSlice,
  rotary as rotaryKernel,
  type RotaryPairs,
} from "@tessera/kernels";
import type { AttentionAttributes, RandomSlice } from "@tessera/kernels/contract";
import { UNSHARDED, type ShardIndex } from "@tessera/mesh";
import type { Layer } from "./layer.js";
import { linear, type LinearParams, type LinearSaved } from "./linear.js";
import { childContext as under, rngKey, type ForwardContext } from "./forward_context.js";
import { addAndDispose, reshapeAndDispose } from "./and_dispose.js";
import type { GradientSink } from "@tessera/params";

export type AttentionParams = {
  readonly query: LinearParams;
  readonly keyValue: LinearParams;
  readonly output: LinearParams;
};
export type AttentionSaved = {
  readonly query: LinearSaved;
  readonly keyValue: LinearSaved;
  readonly output: LinearSaved;
  readonly q: Tensor; // [batch, time, heads, depth]
  readonly kv: Tensor; // [batch, time, 2, key heads, depth]
  readonly y: Tensor; // [batch, time, heads, depth]
  readonly logSumExp: Tensor; // [batch, heads, time]
};

/** How queries and keys are turned by their positions. */
export interface Rotary {
  /** The slowest pair of elements takes about 2 pi times as many tokens to turn once. */
  readonly base: number;
  /** The part of each head that turns, from its first element. */
  readonly fraction: number;
  readonly pairs: RotaryPairs;
}

export interface AttentionOptions {
  readonly width: number;
  readonly heads: number;
  /** Heads that have keys and values of their own; a divisor of `heads`. */
  readonly kvHeads?: number;
  /** Whether the projections have biases: yes, unless it is said not to. */
  readonly bias?: boolean;
  /** How positions turn queries and keys; null where they do not. */
  readonly rotary?: Rotary | null;
  readonly std: number;
  /** Of the output weight, which GPT-2 makes smaller the deeper the model is. */
  readonly outputStd: number;
  /** Probability with which an attention probability is dropped in training. */
  readonly dropout?: number;
  readonly shard?: ShardIndex;
}

interface RotateOptions {
  /** The position of each row's first token; one may stand for all. */
  readonly starts?: readonly number[] | undefined;
  readonly inverse?: boolean;
}

/**
 * Turns queries [batch, time, heads, depth], or the first half of keyValue [batch, time, 2, heads, depth],
 * by their positions, or back. Uses x up.
 */
function rotate(
  x: Tensor,
  how: Rotary | null,
  { starts = [0], inverse = false }: RotateOptions,
): Tensor {
  if (how === null) return x;
  const [batch, time] = x.shape as [number, number];
  const [heads, depth] = x.shape.slice(-2) as [number, number];
  const { base, fraction, pairs } = how;
  const flat = reshapeAndDispose(x, [batch, time, -1, depth]);
  const attributes = {
    base,
    dims: 2 * Math.round((depth * fraction) / 2),
    pairs,
    heads,
    starts,
    inverse,
  };
  return reshapeAndDispose(call(rotaryKernel, { x: flat }, attributes).y, x.shape);
}

/** Where the probabilities of q [batch, time, heads, depth] stand among those of the whole step. */
function dropoutSlice(
  q: Tensor,
  heads: number,
  shard: ShardIndex,
  ctx: ForwardContext,
): RandomSlice {
  const [batch, time, held] = q.shape as [number, number, number, number];
  const window = {
    shape: [ctx.rows, heads, time, time],
    start: [ctx.firstRow, held * shard.index, 0, 0],
    size: [batch, held, time, time],
  };
  return randomSlice(window, rngKey(ctx));
}

/** The products around attention: heads are their columns, or their rows. */
function projectionsOf(options: AttentionOptions) {
  const { width, heads, kvHeads = heads, std, outputStd, bias, shard } = options;
  const columns = { inFeatures: width, std, bias, partition: "columns", shard } as const;
  const rows = { inFeatures: width, std: outputStd, bias, partition: "rows", shard } as const;
  const units = { units: heads, unitName: "heads" };
  const keyUnits = { units: kvHeads, unitName: "key heads", rule: "replicated" } as const;
  return {
    query: linear({ ...columns, outFeatures: width, units }),
    keyValue: linear({ ...columns, outFeatures: [2, (kvHeads * width) / heads], units: keyUnits }),
    output: linear({ ...rows, outFeatures: width, units }),
  };
}

/** x [batch, time, width] -> y of the same shape: partial sums where the heads are split. */
export function selfAttention(options: AttentionOptions): Layer<AttentionParams, AttentionSaved> {
  const { width, heads, dropout = 0, rotary = null, shard = UNSHARDED } = options;
  const { query, keyValue, output } = projectionsOf(options);
  const depth = width / heads;
  const scale = 1 / Math.sqrt(depth);

  const attributes = (q: Tensor, ctx: ForwardContext): AttentionAttributes => ({
    ...dropoutSlice(q, heads, shard, ctx),
    scale,
    rate: ctx.training ? dropout : 0,
  });

  return {
    spec: { query: query.spec, keyValue: keyValue.spec, output: output.spec },
    forward(params, x, ctx) {
      const [batch, time] = x.shape as [number, number, number];
      const [qFlat, querySaved] = query.forward(params.query, x, under(ctx, "query"));
      const [kvFlat, keyValueSaved] = keyValue.forward(params.keyValue, x, under(ctx, "keyValue"));
      const held = kvFlat.shape[2]! / (2 * depth);
      const starts = ctx.cache?.lengths;
      const q = rotate(reshapeAndDispose(qFlat, [batch, time, -1, depth]), rotary, { starts });
      const kv = rotate(reshapeAndDispose(kvFlat, [batch, time, 2, held, depth]), rotary, {
        starts,
      });
      const attention = ctx.cache
        ? ctx.cache.attend(ctx.path, q, kv, scale)
        : call(causalAttention, { query: q, keyValue: kv, starts: ctx.starts }, attributes(q, ctx));
      const merged = reshape(attention.y, [batch, time, -1]);
      const [y, outputSaved] = output.forward(params.output, merged, under(ctx, "output"));
      merged.dispose();
      return [
        y,
        { query: querySaved, keyValue: keyValueSaved, output: outputSaved, q, kv, ...attention },
      ];
    },
    backward(params, saved, dy, sink: GradientSink<AttentionParams>, ctx) {
      const { q, kv, y, logSumExp } = saved;
      const [batch, time] = dy.shape as [number, number, number];
      const dMerged = output.backward(params.output, saved.output, dy, sink.output, ctx);
      const dAttended = reshapeAndDispose(dMerged, q.shape);
      const inputs = { query: q, keyValue: kv, y, logSumExp, dy: dAttended };
      const given = { ...inputs, starts: ctx.starts };
      const { dQuery, dKeyValue } = call(causalAttentionGradient, given, attributes(q, ctx));
      for (const spent of Object.values(inputs)) spent.dispose();
      const unrotate = (dx: Tensor): Tensor =>
        reshapeAndDispose(rotate(dx, rotary, { inverse: true }), [batch, time, -1]);
      const [dq, dkv] = [unrotate(dQuery), unrotate(dKeyValue)];
      const fromQuery = query.backward(params.query, saved.query, dq, sink.query, ctx);
      const fromKeyValue = keyValue.backward(
        params.keyValue,
        saved.keyValue,
        dkv,
        sink.keyValue,
        ctx,
      );
      dq.dispose();
      dkv.dispose();
      return addAndDispose(fromQuery, fromKeyValue);
    },
  };
}
