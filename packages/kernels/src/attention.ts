// Causal attention with grouped heads: softmax(scale q k^T) v, where position t sees positions up
// to t. Only the logarithm of each softmax's sum is kept for backward, as FlashAttention does
// (Dao et al., 2022); the probabilities are made again there.

import {
  add,
  linalg,
  log,
  matMul,
  max,
  mul,
  ones,
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
export type AttentionAttributes = Draw & { readonly scale: number; readonly rate: number };

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

/** What forward and backward both start from: per-head matrices, scores and probabilities. */
function attend(query: Tensor, keyValue: Tensor, attributes: AttentionAttributes, at: Extents) {
  const { batch, time, heads, groups, depth } = at;
  const { rate, scale, ...draw } = attributes;
  // As a matrix: backends slice the columns of one quickly, a tensor of five dimensions slowly.
  const columns = reshape(keyValue, [batch * time, 2 * groups * depth]);
  const [key, value] = split(columns, 2, 1).map((half) =>
    perHead(spread(reshape(half, [batch, time, groups, depth]), at), at),
  ) as [Tensor, Tensor];
  const q = perHead(query, at);
  // 0 where t may see s, a large negative number where it may not.
  const hidden = mul(sub(1, linalg.bandPart(ones([time, time]), -1, 0)), -1e9);
  const scores = add(mul(matMul(q, transpose(key, [0, 2, 1])), scale), hidden);
  const mask = rate === 0 ? null : reshape(dropoutMask(rate, draw), [batch * heads, time, time]);
  const kept = (x: Tensor): Tensor => (mask === null ? x : mul(x, mask));
  return { q, key, value, scores, probabilities: softmax(scores), kept };
}

/** y [B, T, H, D], and logSumExp [B, H, T] of each position's scores. */
export const causalAttention = kernel<"query" | "keyValue", "y" | "logSumExp", AttentionAttributes>(
  {
    name: "TesseraCausalAttention",
    inputs: ["query", "keyValue"],
    outputs: ["y", "logSumExp"],
    shapes({ query, keyValue }) {
      const { batch, time, heads } = extents("causalAttention", query, keyValue);
      return { y: query, logSumExp: [batch, heads, time] };
    },
    composite({ query, keyValue }, attributes) {
      const at = extents("causalAttention", query.shape, keyValue.shape);
      const { value, scores, probabilities, kept } = attend(query, keyValue, attributes, at);
      // The largest probability is exp(largest score - logSumExp).
      const logSumExp = sub(max(scores, 2), log(max(probabilities, 2)));
      return {
        y: perToken(matMul(kept(probabilities), value), at),
        logSumExp: reshape(logSumExp, [at.batch, at.heads, at.time]),
      };
    },
  },
);

/** With p the probabilities, dp = dy v^T and ds = p (dp - sum(dp p)): dq = ds k, dk = ds^T q, dv = p^T dy. */
export const causalAttentionGradient = kernel<
  "query" | "keyValue" | "y" | "logSumExp" | "dy",
  "dQuery" | "dKeyValue",
  AttentionAttributes
>({
  name: "TesseraCausalAttentionGradient",
  inputs: ["query", "keyValue", "y", "logSumExp", "dy"],
  outputs: ["dQuery", "dKeyValue"],
  shapes({ query, keyValue, y, logSumExp, dy }) {
    const { batch, time, heads } = extents("causalAttentionGradient", query, keyValue);
    expectShape("causalAttentionGradient", "y", y, query);
    expectShape("causalAttentionGradient", "dy", dy, query);
    expectShape("causalAttentionGradient", "logSumExp", logSumExp, [batch, heads, time]);
    return { dQuery: query, dKeyValue: keyValue };
  },
  composite({ query, keyValue, dy }, attributes) {
    const at = extents("causalAttentionGradient", query.shape, keyValue.shape);
    const { q, key, value, probabilities, kept } = attend(query, keyValue, attributes, at);
    const dyHead = perHead(dy, at);
    const dValue = matMul(transpose(kept(probabilities), [0, 2, 1]), dyHead);
    const dProbabilities = kept(matMul(dyHead, transpose(value, [0, 2, 1])));
    const along = sum(mul(dProbabilities, probabilities), 2, true);
    const dScores = mul(mul(probabilities, sub(dProbabilities, along)), attributes.scale);
    const dKey = matMul(transpose(dScores, [0, 2, 1]), q);
    const halves = [dKey, dValue].map((half) => gathered(perToken(half, at), at));
    return { dQuery: perToken(matMul(dScores, key), at), dKeyValue: stack(halves, 2) };
  },
});
