// The token embedding, with or without one of positions: where ids become activations.

import {
  add,
  cast,
  greaterEqual,
  less,
  logicalAnd,
  mul,
  range,
  reshape,
  scalar,
  slice,
  sub,
  tensor,
  tidy,
  type Tensor,
} from "@tensorflow/tfjs-core";
import { addEmbedGradient, call, embed, embedGradient, sumRows } from "@tessera/kernels";
import { UNSHARDED, type ShardIndex, type Range } from "@tessera/mesh";
import { vocabularyPartition, vocabularyRange } from "./partition.js";
import type { InputEmbedding } from "./lm_head.js";
import type { DeferredGradient } from "./gradient.js";
import type { KvCacheView } from "./kv_cache.js";
import { noTensorParallel, type TensorParallel } from "./tensor_parallel.js";
import { matrix } from "./spec.js";
import type { ForwardContext } from "./forward_context.js";

export type TokenParams = { readonly token: Tensor };
export type EmbeddingParams = TokenParams & { readonly position?: Tensor };
export type EmbeddingSaved = { readonly ids: Tensor };

export interface TokenOptions {
  readonly vocabulary: number;
  readonly width: number;
  readonly std: number;
}

export interface EmbeddingOptions extends TokenOptions {
  /** Positions that are learned: the longest sequence; null where the model knows them otherwise. */
  readonly positions: number | null;
}

/**
 * ids [batch, time] (int32) -> token[ids] [batch, time, width]. Where rows of the table are shared out,
 * ids of other ranks' rows give zeros: the ranks' results add up to the whole.
 */
export function tokenEmbedding(
  { vocabulary, width, std }: TokenOptions,
  shard: ShardIndex = UNSHARDED,
): InputEmbedding<TokenParams, EmbeddingSaved> {
  const held = shard.count === 1 ? null : vocabularyRange(vocabulary, shard);
  /** Ids as rows of what is held, and which of them are: [batch, time, 1]. */
  const rowsOf = (ids: Tensor, { start, size }: Range) => {
    const rows = sub<Tensor>(ids, scalar(start, "int32"));
    const isHeld = logicalAnd(greaterEqual(rows, 0), less(rows, size));
    const mask = reshape(cast(isHeld, "float32"), [...ids.shape, 1]);
    return { rows: mul(rows, cast(isHeld, "int32")), mask };
  };
  return {
    spec: { token: matrix([vocabulary, width], vocabularyPartition(vocabulary), std) },
    forward({ token }, ids) {
      const y = tidy(() => {
        if (held === null) return call(embed, { table: token, ids }, {}).y;
        const { rows, mask } = rowsOf(ids, held);
        return mul(call(embed, { table: token, ids: rows }, {}).y, mask);
      });
      return [y, { ids: ids.clone() }];
    },
    backward({ token }, { ids }, dy, sink) {
      if (held === null) {
        sink.token(tableGradientOf(ids, dy.clone(), token.shape[0]));
        return;
      }
      const { rows, masked } = tidy(() => {
        const { rows, mask } = rowsOf(ids, held);
        return { rows, masked: mul(dy, mask) };
      });
      ids.dispose();
      sink.token(tableGradientOf(rows, masked, token.shape[0]));
    },
  };
}

/** ids [batch, time] (int32) -> y [batch, held time, width] = token[ids], plus position[their places] if learned. */
export function embedding(
  { positions, ...options }: EmbeddingOptions,
  tensorParallel: TensorParallel = noTensorParallel,
): InputEmbedding<EmbeddingParams, EmbeddingSaved> {
  const { width, std } = options;
  const tokens = tensorParallel.wrapEmbedding(tokenEmbedding(options, tensorParallel.weightShard));
  const { index } = tensorParallel.tokenShard;
  return {
    spec: {
      ...tokens.spec,
      ...(positions !== null && { position: matrix([positions, width], null, std) }),
    },
    forward({ token, position }, ids, ctx) {
      const [rows, saved] = tokens.forward({ token }, ids, ctx);
      if (position === undefined) return [rows, saved];
      const y = tidy(() => add(rows, positionRows(position, rows, index, ctx)));
      rows.dispose();
      return [y, saved];
    },
    backward({ token, position }, saved, dy, sink, ctx) {
      tokens.backward({ token }, saved, dy, { token: sink.token }, ctx);
      if (position === undefined) return;
      sink.position!(tidy(() => positionGradient(position.shape[0], dy, index, ctx)));
    },
  };
}

/** The positions of the part `step` of all tokens, of which it holds [batch, time], by row. */
const heldPositions = (positions: Tensor, index: number, [batch, time]: readonly number[]) =>
  slice(positions, [0, index * time!], [batch!, time!]);

/** What each token's position adds to x [batch, time, width]; without the rows where all are alike. */
function positionRows(
  table: Tensor,
  { shape }: Tensor,
  index: number,
  { positions, cache }: ForwardContext,
) {
  const [, time, width] = shape as [number, number, number];
  if (cache !== undefined) return call(embed, { table, ids: placesOf(cache, time) }, {}).y;
  return positions === undefined
    ? slice(table, [index * time, 0], [time, width])
    : call(embed, { table, ids: heldPositions(positions, index, shape) }, {}).y;
}

/** The gradient of a table of `rows` positions. */
function positionGradient(
  rows: number,
  dy: Tensor,
  index: number,
  { positions }: ForwardContext,
): Tensor {
  const [batch, time, width] = dy.shape as [number, number, number];
  if (positions !== undefined) {
    const ids = heldPositions(positions, index, dy.shape);
    return call(embedGradient, { ids, dy }, { rows }).dTable;
  }
  const summed = call(sumRows, { dy: reshape(dy, [batch, time * width]) }, {}).dBias;
  const ids = range(index * time, (index + 1) * time, 1, "int32");
  return call(embedGradient, { ids, dy: reshape(summed, [time, width]) }, { rows }).dTable;
}

/** The positions [batch, time] of tokens that come after others. */
const placesOf = ({ lengths }: KvCacheView, time: number): Tensor =>
  add(tensor([...lengths], [lengths.length, 1], "int32"), range(0, time, 1, "int32"));

/** The sums of dy's rows per id, once they are wanted. Owns both. */
function tableGradientOf(ids: Tensor, dy: Tensor, rows: number): DeferredGradient {
  const use = (make: () => Tensor): Tensor => {
    const made = make();
    ids.dispose();
    dy.dispose();
    return made;
  };
  return {
    compute: () => use(() => call(embedGradient, { ids, dy }, { rows }).dTable),
    accumulateInto: (sum) => use(() => call(addEmbedGradient, { sum, ids, dy }, {}).total),
  };
}
