// Causal self-attention, grouped-query (Ainslie et al., 2023) where there are fewer KV heads than heads. Under tensor
// parallelism each rank has a shard of the heads.

import { reshape, type Tensor } from "@tensorflow/tfjs-core";
import { call, causalAttention, causalAttentionGradient, randomSlice } from "@tessera/kernels";
import type { AttentionAttributes, RandomSlice, ScoreAttributes } from "@tessera/kernels/contract";
import { UNSHARDED } from "@tessera/mesh";
import { disposeTree, type GradientSink } from "@tessera/params";
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
import type { LoraOptions } from "./lora.js";
import { queryKey, type QueryKeyParams, type QueryKeySaved } from "./query_key.js";
import type { Rotary } from "./rotary.js";

/** The projections of attention. */
export type AttentionParams = QueryKeyParams & {
  readonly query: LinearParams;
  readonly keyValue: LinearParams;
  readonly output: LinearParams;
};
/** What attention saves for backward. */
export type AttentionSaved = QueryKeySaved & {
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
  /** Added to the mean square in RMS norms of each query and key. Default: null, for no such norms. */
  readonly normEpsilon?: number | null;
  /** Positions that each attends to, its own and those before it. Default: Infinity, for all. */
  readonly window?: number;
  /** Standard deviation of the initial query, key and value weights. */
  readonly std: number;
  /** Standard deviation of the initial output weight, which GPT-2 scales by the number of layers. */
  readonly outputStd: number;
  /** Probability of dropping an attention probability in training. Default: 0. */
  readonly dropout?: number;
  /** This rank's shard of the heads. Default: all of them. */
  readonly shard?: WeightShard;
  /** Low-rank adaptation of those projections that it targets. Default: none. */
  readonly lora?: LoraOptions | undefined;
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
  const { width, heads, kvHeads = heads, std, outputStd, bias = true, shard, lora } = options;
  const depth = headSizeOf(options);
  checkDivides(kvHeads, "KV heads", heads, "a number of heads");
  const inputs = { inFeatures: width, std, bias: bias !== false, shard, lora };
  return {
    depth,
    query: linear({
      ...inputs,
      projections: ["query"],
      outFeatures: heads * depth,
      split: columns("heads", { units: heads }),
    }),
    keyValue: linear({
      ...inputs,
      projections: ["key", "value"],
      outFeatures: [2, kvHeads * depth],
      split: columns("KV heads", { units: kvHeads, rule: "replicated" }),
    }),
    output: linear({
      ...inputs,
      projections: ["output"],
      inFeatures: heads * depth,
      std: outputStd,
      bias: bias === true,
      outFeatures: width,
      split: rows("heads", { units: heads }),
    }),
  };
}

/** Queries [batch, time, heads, depth], and keys and values [batch, time, 2, KV heads, depth]. */
function project(
  { query, keyValue, depth }: ReturnType<typeof createProjections>,
  params: AttentionParams,
  x: Placed<"replicated">,
  ctx: ForwardContext,
) {
  const [q, querySaved] = query.forward(params.query, x, childContext(ctx, "query"));
  const [kv, keyValueSaved] = keyValue.forward(params.keyValue, x, childContext(ctx, "keyValue"));
  const [batch, time] = x.shape as [number, number, number];
  const heads = {
    q: reshapeAndDispose(q, [batch, time, -1, depth]),
    kv: reshapeAndDispose(kv, [batch, time, 2, -1, depth]),
  };
  return [heads, { query: querySaved, keyValue: keyValueSaved }] as const;
}

/** The gradient of x from those of `heads`. Consumes these and what the projections saved. */
function projectBackward(
  { query, keyValue }: ReturnType<typeof createProjections>,
  params: AttentionParams,
  { saved, heads }: { readonly saved: AttentionSaved; readonly heads: Record<"q" | "kv", Tensor> },
  sink: GradientSink<AttentionParams>,
  ctx: ForwardContext,
): Tensor {
  const [batch, time] = heads.q.shape as [number, number];
  const flat = <Dim extends string>(dx: Tensor): Placed<Sharded<Dim>> =>
    claim(reshapeAndDispose(dx, [batch, time, -1]));
  const [dq, dkv] = [flat<"heads">(heads.q), flat<"KV heads">(heads.kv)];
  const [queryCtx, keyValueCtx] = [childContext(ctx, "query"), childContext(ctx, "keyValue")];
  const dx = addAndDispose(
    query.backward(params.query, saved.query, dq, sink.query, queryCtx),
    keyValue.backward(params.keyValue, saved.keyValue, dkv, sink.keyValue, keyValueCtx),
  );
  dq.dispose();
  dkv.dispose();
  return dx;
}

/** x [batch, time, width] -> y of the same shape. With a `shard`, y are partial sums over the ranks. */
export function selfAttention(
  options: AttentionOptions,
): Layer<AttentionParams, AttentionSaved, "replicated", "partial"> {
  const { heads, dropout = 0, rotary = null, normEpsilon = null, shard = UNSHARDED } = options;
  const projections = createProjections(options);
  const { query, keyValue, output, depth } = projections;
  const { window = Infinity } = options;
  const scores: ScoreAttributes = { scale: 1 / Math.sqrt(depth), window };
  const prepared = queryKey({ headSize: depth, rotary, normEpsilon });

  const attributes = (q: Tensor, ctx: ForwardContext): AttentionAttributes => ({
    ...dropoutSlice(q, heads, shard, ctx),
    ...scores,
    rate: ctx.training ? dropout : 0,
  });

  return defineLayer({
    spec: {
      query: query.spec,
      keyValue: keyValue.spec,
      output: output.spec,
      ...prepared.spec,
    },
    forward(params, x, ctx) {
      const [batch, time] = x.shape as [number, number, number];
      const [heads, linearsSaved] = project(projections, params, x, ctx);
      const [{ q, kv }, normsSaved] = prepared.forward(params, heads, ctx.cache?.lengths);
      const attention = ctx.cache
        ? ctx.cache.attend(ctx.path, q, kv, scores)
        : call(causalAttention, { query: q, keyValue: kv, starts: ctx.starts }, attributes(q, ctx));
      const merged = claim<Sharded<"heads">>(reshape(attention.y, [batch, time, -1]));
      const [y, outputSaved] = output.forward(params.output, merged, childContext(ctx, "output"));
      merged.dispose();
      return [y, { ...linearsSaved, output: outputSaved, ...normsSaved, q, kv, ...attention }];
    },
    backward(params, saved, dy, sink, ctx) {
      const { q, kv, y, logSumExp } = saved;
      const outputCtx = childContext(ctx, "output");
      const dMerged = output.backward(params.output, saved.output, dy, sink.output, outputCtx);
      const dAttention = reshapeAndDispose(dMerged, q.shape);
      const owned = { query: q, keyValue: kv, y, logSumExp, dy: dAttention };
      const inputs = { ...owned, starts: ctx.starts };
      const { dQuery, dKeyValue } = call(causalAttentionGradient, inputs, attributes(q, ctx));
      disposeTree(owned);
      const heads = prepared.backward(params, saved, { q: dQuery, kv: dKeyValue }, sink);
      return projectBackward(projections, params, { saved, heads }, sink, ctx);
    },
  });
}
