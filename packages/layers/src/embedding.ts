// The token embedding, with or without one of positions: where ids become activations.

import { add, range, reshape, slice, tensor, tidy, type Tensor } from "@tensorflow/tfjs-core";
import { addEmbedGradient, call, embed, embedGradient, sumRows } from "@tessera/kernels";
import type { VocabularyShard } from "@tessera/kernels/contract";
import { UNSHARDED, type ShardIndex } from "@tessera/mesh";
import { vocabularyPartition, vocabularyRange } from "@tessera/params";
import type { InputEmbedding } from "./lm_head.js";
import type { DeferredGradient } from "@tessera/params";
import type { KvCacheView } from "./kv_cache.js";
import { noTensorParallel, type TensorParallel } from "./tensor_parallel.js";
import { matrix } from "@tessera/params";
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
 * ids [batch, time] (int32) -> token[ids] [batch, time, width]. Where the table is sharded over the
 * vocabulary, ids of other ranks' rows give zeros, and an all-reduce of y completes it.
 */
export function tokenEmbedding(
  { vocabulary, width, std }: TokenOptions,
  shard: ShardIndex = UNSHARDED,
): InputEmbedding<TokenParams, EmbeddingSaved> {
  const firstToken = shard.count === 1 ? 0 : vocabularyRange(vocabulary, shard).start;
  const attributes = { firstToken, vocabulary };
  return {
    spec: { token: matrix([vocabulary, width], vocabularyPartition(vocabulary), std) },
    forward: ({ token }, ids) => [
      call(embed, { table: token, ids }, attributes).y,
      { ids: ids.clone() },
    ],
    backward({ token }, { ids }, dy, sink) {
      sink.token(tableGradientOf(ids, dy.clone(), token.shape[0], attributes));
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
  if (cache === undefined && positions === undefined) {
    return slice(table, [index * time, 0], [time, width]);
  }
  const ids = cache ? placesOf(cache, time) : heldPositions(positions!, index, shape);
  return call(embed, { table, ids }, { firstToken: 0, vocabulary: table.shape[0] }).y;
}

/** The gradient of a table of `rows` positions. */
function positionGradient(
  rows: number,
  dy: Tensor,
  index: number,
  { positions }: ForwardContext,
): Tensor {
  const [batch, time, width] = dy.shape as [number, number, number];
  const attributes = { rows, firstToken: 0, vocabulary: rows };
  if (positions !== undefined) {
    const ids = heldPositions(positions, index, dy.shape);
    return call(embedGradient, { ids, dy }, attributes).dTable;
  }
  const summed = call(sumRows, { dy: reshape(dy, [batch, time * width]) }, {}).dBias;
  const ids = range(index * time, (index + 1) * time, 1, "int32");
  return call(embedGradient, { ids, dy: reshape(summed, [time, width]) }, attributes).dTable;
}

/** The positions [batch, time] of tokens that come after others. */
const placesOf = ({ lengths }: KvCacheView, time: number): Tensor =>
  add(tensor([...lengths], [lengths.length, 1], "int32"), range(0, time, 1, "int32"));

/** The sums of dy's rows per id, once they are wanted. Owns both. */
function tableGradientOf(
  ids: Tensor,
  dy: Tensor,
  rows: number,
  shard: VocabularyShard,
): DeferredGradient {
  const use = (make: () => Tensor): Tensor => {
    const made = make();
    ids.dispose();
    dy.dispose();
    return made;
  };
  return {
    compute: () => use(() => call(embedGradient, { ids, dy }, { rows, ...shard }).dTable),
    accumulateInto: (sum) => use(() => call(addEmbedGradient, { sum, ids, dy }, shard).total),
  };
}
