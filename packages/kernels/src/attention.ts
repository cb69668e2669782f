// Causal attention with grouped query heads (GQA): softmax(scale q k^T) v, where position t attends to
// positions up to t, or to the last ones of them. Only the log-sum-exp of each softmax is saved for
// backward, as in FlashAttention (Dao et al., 2022); backward recomputes the probabilities.

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
import { dropoutMask, type RandomSlice } from "./dropout.js";
import { expectShape, kernel, type Named, type Shape } from "./kernel.js";

/**
 * Attention dropout samples from a global tensor [batch, heads, time, time], of which this call has the
 * slice of `size` at `start`. With `rate` 0 the random stream is unused.
 */
export type AttentionAttributes = RandomSlice & ScoreAttributes & { readonly rate: number };

/** How queries score keys. */
export type ScoreAttributes = Readonly<{
  /** Multiplies the scores. Above 0. */
  scale: number;
  /** Positions that each attends to, its own and those before it (Beltagy et al., 2020); Infinity for all. */
  window: number;
}>;

/** query [B, T, H, D]; keyValue [B, T, 2, G, D], where G divides H. */
function extents(name: string, query: Shape, keyValue: Shape) {
  const [batch, time, heads, depth] = query as [number, number, number, number];
  const groups = keyValue[3] ?? 0;
  expectShape(name, "keyValue", keyValue, [batch, time, 2, groups, depth]);
  if (groups === 0 || heads % groups !== 0) {
    throw new Error(`${name}: ${heads} query heads are not a multiple of ${groups} KV heads`);
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

/** Repeats each KV head for the query heads of its group: [B, T, G, D] -> [B, T, H, D]. */
function repeatHeads(x: Tensor, { batch, time, heads, groups, depth }: Extents): Tensor {
  if (groups === heads) return x;
  const repeated = tile(reshape(x, [batch * time * groups, 1, depth]), [1, heads / groups, 1]);
  return reshape(repeated, [batch, time, heads, depth]);
}

/** The gradient of `repeatHeads`: the sum over the query heads of each group. */
function sumGroups(dx: Tensor, { batch, time, heads, groups, depth }: Extents): Tensor {
  if (groups === heads) return dx;
  const grouped = reshape(dx, [batch * time * groups, heads / groups, depth]);
  return reshape(sum(grouped, 1), [batch, time, groups, depth]);
}

/**
 * The additive mask: 0 where position t attends to s, -1e9 elsewhere. [T, T], or with `starts` [B, T],
 * the first s that each t attends to, [B, 1, T, T].
 */
function additiveMask(
  { batch, time }: Extents,
  starts: Tensor | undefined,
  window: number,
): Tensor {
  const below = window < time ? window - 1 : -1; // the diagonal itself counts; -1 for all
  const later = mul(sub(1, linalg.bandPart(ones([time, time]), below, 0)), -1e9);
  if (starts === undefined) return later;
  const positions = reshape(range(0, time, 1, "int32"), [1, 1, 1, time]);
  const earlier = less(positions, reshape(starts, [batch, 1, time, 1]));
  return add(later, mul(cast(earlier, "float32"), -1e9));
}

type AttentionInputs = "query" | "keyValue";
type Operands = Named<AttentionInputs, "starts", Tensor>;

/** Recomputed by backward: per-head matrices, scores and probabilities. */
function attend(
  { query, keyValue, starts }: Operands,
  attributes: AttentionAttributes,
  at: Extents,
) {
  const { batch, time, heads, groups, depth } = at;
  const { rate, scale, window, ...slice } = attributes;
  // As a matrix: backends slice the columns of one quickly, a tensor of five dimensions slowly.
  const columns = reshape(keyValue, [batch * time, 2 * groups * depth]);
  const [key, value] = split(columns, 2, 1).map((half) =>
    perHead(repeatHeads(reshape(half, [batch, time, groups, depth]), at), at),
  ) as [Tensor, Tensor];
  const q = perHead(query, at);
  const products = mul(matMul(q, transpose(key, [0, 2, 1])), scale);
  const apart = starts === undefined ? [batch * heads, time, time] : [batch, heads, time, time];
  const hidden = add(reshape(products, apart), additiveMask(at, starts, window));
  const scores = reshape(hidden, [batch * heads, time, time]);
  const mask = rate === 0 ? null : reshape(dropoutMask(rate, slice), scores.shape);
  const kept = (x: Tensor): Tensor => (mask === null ? x : mul(x, mask));
  return { q, key, value, scores, probabilities: softmax(scores), kept };
}

function attention(inputs: Operands, attributes: AttentionAttributes) {
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
  inputs: Operands & { readonly dy: Tensor },
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
  const halves = [dKey, dValue].map((half) => sumGroups(perToken(half, at), at));
  return { dQuery: perToken(matMul(dScores, key), at), dKeyValue: stack(halves, 2) };
}

/** Throws, naming the kernel, where there are no such scores. */
export function checkScores(name: string, { scale, window }: ScoreAttributes): void {
  if (!(scale > 0)) throw new Error(`${name}: scale is ${scale}, must be above 0`);
  if (window >= 1 && (Number.isInteger(window) || window === Infinity)) return;
  throw new Error(`${name}: the window is ${window}, must be a whole number of at least 1`);
}

function outputShapes(
  name: string,
  { query, keyValue, starts }: Named<AttentionInputs, "starts", Shape>,
  attributes: AttentionAttributes,
) {
  checkScores(name, attributes);
  const { batch, time, heads } = extents(name, query, keyValue);
  if (starts !== undefined) expectShape(name, "starts", starts, [batch, time]);
  return { y: query, logSumExp: [batch, heads, time] };
}

/**
 * y [B, T, H, D], and logSumExp [B, H, T] of each position's scores. Position t attends to positions
 * up to t, in its window; with `starts` [B, T] (int32), only from starts[b, t] on, the first token of its
 * document.
 * `starts` never decreases along a row and is never after t.
 */
export const causalAttention = kernel<
  AttentionInputs,
  "y" | "logSumExp",
  AttentionAttributes,
  "starts"
>({
  name: "TesseraCausalAttention",
  inputs: ["query", "keyValue"],
  optionalInputs: ["starts"],
  outputs: ["y", "logSumExp"],
  shapes: (inputs, attributes) => outputShapes("causalAttention", inputs, attributes),
  composite: attention,
});

/** The gradients of `causalAttention`, from its inputs, its outputs and dy. */
export const causalAttentionGradient = kernel<
  AttentionInputs | "y" | "logSumExp" | "dy",
  "dQuery" | "dKeyValue",
  AttentionAttributes,
  "starts"
>({
  name: "TesseraCausalAttentionGradient",
  inputs: ["query", "keyValue", "y", "logSumExp", "dy"],
  optionalInputs: ["starts"],
  outputs: ["dQuery", "dKeyValue"],
  shapes(inputs, attributes) {
    const name = "causalAttentionGradient";
    const { query, keyValue, y, logSumExp, dy } = inputs;
    const outputs = outputShapes(name, inputs, attributes);
    expectShape(name, "y", y, query);
    expectShape(name, "dy", dy, query);
    expectShape(name, "logSumExp", logSumExp, outputs.logSumExp);
    return { dQuery: query, dKeyValue: keyValue };
  },
  composite: attentionGradient,
});
