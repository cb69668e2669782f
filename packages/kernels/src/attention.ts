// Causal attention with grouped heads: softmax(scale q k^T) v, where position t sees positions up
// to t. Only the logarithm of each softmax's sum is kept for backward, as FlashAttention does
// (Dao et al., 2022); the probabilities are made again there.

import {
  add,
  cast,
  less,
  linalg,
  log,
  matMul,
  max,
  mul,
  ones,
  range,
  reshape,
  softmax,
  split,
  stack,
  sub,
  sum,
  tile,
  transpose,
  type Tensor,
} from "@tensorflow/tfjs-core";
import { dropoutMask, type Draw } from "./dropout.js";
import { expectShape, kernel, type Shape } from "./kernel.js";

/**
 * The dropout of probabilities draws from a global tensor [batch, heads, time, time]; `size` is
 * this call's share of it. With `rate` 0 the draw is not looked at.
 */
export type AttentionAttributes = Draw & {
  /** What scores are multiplied by: above 0. */
  readonly scale: number;
  readonly rate: number;
};

/** query [B, T, H, D]; keyValue [B, T, 2, G, D], where G divides H. */
function extents(name: string, query: Shape, keyValue: Shape) {
  const [batch, time, heads, depth] = query as [number, number, number, number];
  const groups = keyValue[3] ?? 0;
  expectShape(name, "keyValue", keyValue, [batch, time, 2, groups, depth]);
  if (groups === 0 || heads % groups !== 0) {
    throw new Error(`${name}: ${heads} query heads cannot share ${groups} key heads evenly`);
  }
  return { batch, time, heads, depth, groups };
}

type Extents = ReturnType<typeof extents>;

/** [B, T, heads, D] -> [B heads, T, D]: one matrix per sequence and head. */
const perHead = (x: Tensor, { time, depth }: Extents): Tensor =>
  reshape(transpose(x, [0, 2, 1, 3]), [x.size / (time * depth), time, depth]);

/** [B heads, T, D] -> [B, T, heads, D]. */
const perToken = (x: Tensor, { batch, time, heads, depth }: Extents): Tensor =>
  transpose(reshape(x, [batch, heads, time, depth]), [0, 2, 1, 3]);

/** Each key head for every query head that shares it: [B, T, G, D] -> [B, T, H, D]. */
function spread(x: Tensor, { batch, time, heads, groups, depth }: Extents): Tensor {
  if (groups === heads) return x;
  const repeated = tile(reshape(x, [batch * time * groups, 1, depth]), [1, heads / groups, 1]);
  return reshape(repeated, [batch, time, heads, depth]);
}

/** The gradient of `spread`: the sum over the query heads of each key head. */
function gathered(dx: Tensor, { batch, time, heads, groups, depth }: Extents): Tensor {
  if (groups === heads) return dx;
  const shares = reshape(dx, [batch * time * groups, heads / groups, depth]);
  return reshape(sum(shares, 1), [batch, time, groups, depth]);
}

/**
 * 0 where t may see s, a large negative number where it may not: [T, T], or with `starts` [B, T], the
 * first s that each t sees, [B, 1, T, T].
 */
function hiding({ batch, time }: Extents, starts: Tensor | undefined): Tensor {
  const later = mul(sub(1, linalg.bandPart(ones([time, time]), -1, 0)), -1e9);
  if (starts === undefined) return later;
  const places = reshape(range(0, time, 1, "int32"), [1, 1, 1, time]);
  const earlier = less(places, reshape(starts, [batch, 1, time, 1]));
  return add(later, mul(cast(earlier, "float32"), -1e9));
}

interface Attended {
  readonly query: Tensor;
  readonly keyValue: Tensor;
  readonly starts?: Tensor;
}

/** What forward and backward both start from: per-head matrices, scores and probabilities. */
function attend(
  { query, keyValue, starts }: Attended,
  attributes: AttentionAttributes,
  at: Extents,
) {
  const { batch, time, heads, groups, depth } = at;
  const { rate, scale, ...draw } = attributes;
  // As a matrix: backends slice the columns of one quickly, a tensor of five dimensions slowly.
  const columns = reshape(keyValue, [batch * time, 2 * groups * depth]);
  const [key, value] = split(columns, 2, 1).map((half) =>
    perHead(spread(reshape(half, [batch, time, groups, depth]), at), at),
  ) as [Tensor, Tensor];
  const q = perHead(query, at);
  const products = mul(matMul(q, transpose(key, [0, 2, 1])), scale);
  const apart = starts === undefined ? [batch * heads, time, time] : [batch, heads, time, time];
  const hidden = add(reshape(products, apart), hiding(at, starts));
  const scores = reshape(hidden, [batch * heads, time, time]);
  const mask = rate === 0 ? null : reshape(dropoutMask(rate, draw), scores.shape);
  const kept = (x: Tensor): Tensor => (mask === null ? x : mul(x, mask));
  return { q, key, value, scores, probabilities: softmax(scores), kept };
}

function attention(inputs: Attended, attributes: AttentionAttributes) {
  const at = extents("attention", inputs.query.shape, inputs.keyValue.shape);
  const { value, scores, probabilities, kept } = attend(inputs, attributes, at);
  // The largest probability is exp(largest score - logSumExp).
  const logSumExp = sub(max(scores, 2), log(max(probabilities, 2)));
  return {
    y: perToken(matMul(kept(probabilities), value), at),
    logSumExp: reshape(logSumExp, [at.batch, at.heads, at.time]),
  };
}

/** With p the probabilities, dp = dy v^T and ds = p (dp - sum(dp p)): dq = ds k, dk = ds^T q, dv = p^T dy. */
function attentionGradient(
  inputs: Attended & { readonly dy: Tensor },
  attributes: AttentionAttributes,
) {
  const at = extents("attentionGradient", inputs.query.shape, inputs.keyValue.shape);
  const { q, key, value, probabilities, kept } = attend(inputs, attributes, at);
  const dyHead = perHead(inputs.dy, at);
  const dValue = matMul(transpose(kept(probabilities), [0, 2, 1]), dyHead);
  const dProbabilities = kept(matMul(dyHead, transpose(value, [0, 2, 1])));
  const along = sum(mul(dProbabilities, probabilities), 2, true);
  const dScores = mul(mul(probabilities, sub(dProbabilities, along)), attributes.scale);
  const dKey = matMul(transpose(dScores, [0, 2, 1]), q);
  const halves = [dKey, dValue].map((half) => gathered(perToken(half, at), at));
  return { dQuery: perToken(matMul(dScores, key), at), dKeyValue: stack(halves, 2) };
}

function outputShapes(
  name: string,
  { query, keyValue }: Record<"query" | "keyValue", Shape>,
  { scale }: AttentionAttributes,
) {
  if (!(scale > 0)) throw new Error(`${name}: scale is ${scale}, must be above 0`);
  const { batch, time, heads } = extents(name, query, keyValue);
  return { y: query, logSumExp: [batch, heads, time] };
}

function gradientShapes(
  name: string,
  inputs: Record<"query" | "keyValue" | "y" | "logSumExp" | "dy", Shape>,
  attributes: AttentionAttributes,
) {
  const { query, keyValue, y, logSumExp, dy } = inputs;
  const outputs = outputShapes(name, inputs, attributes);
  expectShape(name, "y", y, query);
  expectShape(name, "dy", dy, query);
  expectShape(name, "logSumExp", logSumExp, outputs.logSumExp);
  return { dQuery: query, dKeyValue: keyValue };
}

/** y [B, T, H, D], and logSumExp [B, H, T] of each position's scores. */
export const causalAttention = kernel<"query" | "keyValue", "y" | "logSumExp", AttentionAttributes>(
  {
    name: "TesseraCausalAttention",
    inputs: ["query", "keyValue"],
    outputs: ["y", "logSumExp"],
    shapes: (inputs, attributes) => outputShapes("causalAttention", inputs, attributes),
    composite: attention,
  },
);

export const causalAttentionGradient = kernel<
  "query" | "keyValue" | "y" | "logSumExp" | "dy",
  "dQuery" | "dKeyValue",
  AttentionAttributes
>({
  name: "TesseraCausalAttentionGradient",
  inputs: ["query", "keyValue", "y", "logSumExp", "dy"],
  outputs: ["dQuery", "dKeyValue"],
  shapes: (inputs, attributes) => gradientShapes("causalAttentionGradient", inputs, attributes),
  composite: attentionGradient,
});

function checkStarts(name: string, starts: Shape, query: Shape): void {
  expectShape(name, "starts", starts, query.slice(0, 2));
}

/**
 * The same where each position sees those of its document alone: `starts` [B, T] (int32) is the first
 * that it sees, which is none after it and never falls along a row.
 */
export const documentAttention = kernel<
  "query" | "keyValue" | "starts",
  "y" | "logSumExp",
  AttentionAttributes
>({
  name: "TesseraDocumentAttention",
  inputs: ["query", "keyValue", "starts"],
  outputs: ["y", "logSumExp"],
  shapes(inputs, attributes) {
    checkStarts("documentAttention", inputs.starts, inputs.query);
    return outputShapes("documentAttention", inputs, attributes);
  },
  composite: attention,
});

export const documentAttentionGradient = kernel<
  "query" | "keyValue" | "y" | "logSumExp" | "dy" | "starts",
  "dQuery" | "dKeyValue",
  AttentionAttributes
>({
  name: "TesseraDocumentAttentionGradient",
  inputs: ["query", "keyValue", "y", "logSumExp", "dy", "starts"],
  outputs: ["dQuery", "dKeyValue"],
  shapes(inputs, attributes) {
    checkStarts("documentAttentionGradient", inputs.starts, inputs.query);
    return gradientShapes("documentAttentionGradient", inputs, attributes);
  },
  composite: attentionGradient,
});
