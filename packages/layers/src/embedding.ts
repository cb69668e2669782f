// The input embedding: of tokens, and of positions where they are learned.

import { add, range, reshape, slice, tensor, tidy, type Tensor } from "@tensorflow/tfjs-core";
import { addEmbedGradient, call, embed, embedGradient, sumRows } from "@tessera/kernels";
import type { VocabularyShard } from "@tessera/kernels/contract";
import { UNSHARDED } from "@tessera/mesh";
import {
  matrix,
  vocabularyPartition,
  vocabularyRange,
  type DeferredGradient,
} from "@tessera/params";
import { isDiscarded } from "@tessera/params/frozen";
import { claim } from "@tessera/params/placement";
import { checkSize } from "./check_sizes.js";
import type { TokenShard } from "./dropout.js";
import type { ForwardContext } from "./forward_context.js";
import type { KvCacheView } from "./kv_cache.js";
import type { WeightShard } from "./linear.js";
import type { InputEmbedding } from "./lm_head.js";
import { noTensorParallel, type TensorParallel } from "./tensor_parallel.js";

/** A table of token embeddings [vocabulary, width]. */
export type TokenParams = { readonly token: Tensor };
/** Token embeddings, and perhaps position embeddings [positions, width]. */
export type EmbeddingParams = TokenParams & { readonly position?: Tensor };
/** What an embedding saves for backward: ids [batch, time] (int32). */
export type EmbeddingSaved = { readonly ids: Tensor };

/** The sizes of a token embedding. */
export interface TokenOptions {
  readonly vocabulary: number;
  readonly width: number;
  /** Standard deviation of the initial tables. */
  readonly std: number;
}

/** The sizes of an input embedding. */
export interface EmbeddingOptions extends TokenOptions {
  /** Rows of the learned position embedding, the longest sequence; null for none. */
  readonly positions: number | null;
}

/**
 * ids [batch, time] (int32) -> token[ids] [batch, time, width]. With a `shard` of the vocabulary, ids of other ranks
 * give zeros, and an all-reduce of y completes it.
 */
export function tokenEmbedding(
  { vocabulary, width, std }: TokenOptions,
  shard: WeightShard = UNSHARDED,
): InputEmbedding<TokenParams, EmbeddingSaved, "partial"> {
  checkSize("the vocabulary", vocabulary);
  checkSize("the width of an embedding", width);
  const firstToken = shard.count === 1 ? 0 : vocabularyRange(vocabulary, shard).start;
  const attributes = { firstToken, vocabulary };
  return {
    spec: { token: matrix([vocabulary, width], vocabularyPartition(vocabulary), std) },
    forward: ({ token }, ids) => [
      claim(call(embed, { table: token, ids }, attributes).y),
      { ids: ids.clone() },
    ],
    backward({ token }, { ids }, dy, sink) {
      sink.token(deferTableGradient(ids, dy.clone(), token.shape[0], attributes));
    },
  };
}

/** ids [batch, time] (int32) -> token[ids] + position[positions] [batch, local time, width]. */
export function embedding(
  { positions, ...options }: EmbeddingOptions,
  tensorParallel: TensorParallel = noTensorParallel,
): InputEmbedding<EmbeddingParams, EmbeddingSaved> {
  const { width, std } = options;
  const tokens = tensorParallel.wrapEmbedding(tokenEmbedding(options, tensorParallel.weightShard));
  const { tokenShard } = tensorParallel;
  return {
    spec: {
      ...tokens.spec,
      ...(positions !== null && { position: matrix([positions, width], null, std) }),
    },
    forward({ token, position }, ids, ctx) {
      const [rows, saved] = tokens.forward({ token }, ids, ctx);
      if (position === undefined) return [rows, saved];
      const y = tidy(() => add(rows, lookUpPositions(position, rows, tokenShard, ctx)));
      rows.dispose();
      return [claim(y), saved];
    },
    backward({ token, position }, saved, dy, sink, ctx) {
      tokens.backward({ token }, saved, dy, { token: sink.token }, ctx);
      if (position === undefined || isDiscarded(sink.position)) return;
      sink.position!(tidy(() => positionGradient(position.shape[0], dy, tokenShard, ctx)));
    },
  };
}

/** This rank's shard, [batch, time], of the positions of all tokens. */
const slicePositions = (
  positions: Tensor,
  { index }: TokenShard,
  [batch, time]: readonly number[],
) => slice(positions, [0, index * time!], [batch!, time!]);

/**
 * The position embeddings of a shard of the tokens, for x [batch, time, width]: [time, width] where all rows have the
 * same positions, else like x.
 */
function lookUpPositions(
  table: Tensor,
  x: Tensor,
  tokenShard: TokenShard,
  { positions, cache }: ForwardContext,
) {
  const [, time, width] = x.shape as [number, number, number];
  if (cache === undefined && positions === undefined) {
    return slice(table, [tokenShard.index * time, 0], [time, width]);
  }
  const ids =
    positions === undefined
      ? cachedPositions(cache!, time)
      : slicePositions(positions, tokenShard, x.shape);
  return call(embed, { table, ids }, { firstToken: 0, vocabulary: table.shape[0] }).y;
}

/** The gradient of a position table of `rows` rows, from a shard of the tokens of dy [batch, time, width]. */
function positionGradient(
  rows: number,
  dy: Tensor,
  tokenShard: TokenShard,
  { positions }: ForwardContext,
): Tensor {
  const [batch, time, width] = dy.shape as [number, number, number];
  const attributes = { rows, firstToken: 0, vocabulary: rows };
  if (positions !== undefined) {
    const ids = slicePositions(positions, tokenShard, dy.shape);
    return call(embedGradient, { ids, dy }, attributes).dTable;
  }
  const summed = call(sumRows, { dy: reshape(dy, [batch, time * width]) }, {}).dBias;
  const ids = range(tokenShard.index * time, (tokenShard.index + 1) * time, 1, "int32");
  return call(embedGradient, { ids, dy: reshape(summed, [time, width]) }, attributes).dTable;
}

/** The positions [batch, time] of new tokens after cached ones. */
const cachedPositions = ({ lengths }: KvCacheView, time: number): Tensor =>
  add(tensor([...lengths], [lengths.length, 1], "int32"), range(0, time, 1, "int32"));

/** The sum of dy's rows by id, computed when the sink asks for it. Consumes ids and dy, then. */
function deferTableGradient(
  ids: Tensor,
  dy: Tensor,
  rows: number,
  shard: VocabularyShard,
): DeferredGradient {
  const discard = (): void => {
    ids.dispose();
    dy.dispose();
  };
  const finish = (gradient: Tensor): Tensor => {
    discard();
    return gradient;
  };
  return {
    discard,
    compute: () => finish(call(embedGradient, { ids, dy }, { rows, ...shard }).dTable),
    accumulateInto: (sum) => finish(call(addEmbedGradient, { sum, ids, dy }, shard).total),
  };
}
