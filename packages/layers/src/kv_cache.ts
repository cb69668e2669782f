// The KV cache of generation: keys and values of the tokens so far, by layer and row.

import { keep, slice, zeros, type Tensor } from "@tensorflow/tfjs-core";
import { cachedAttention, call, put } from "@tessera/kernels";
import type { ScoreAttributes } from "@tessera/kernels/contract";

/** The rows of a cache that one call of a model continues. */
export interface KvCacheView {
  /** Number of tokens of each row before this call, which is the position of its first new one. */
  readonly lengths: readonly number[];
  /** Appends the keys and values of new tokens for the layer at `path`, and attends to those of the row. */
  attend(path: string, query: Tensor, keyValue: Tensor, scores: ScoreAttributes): AttentionOutput;
}

/** What attention computes, as a fresh pair of tensors that the caller owns. */
export interface AttentionOutput {
  readonly y: Tensor; // [batch, time, heads, depth]
  readonly logSumExp: Tensor; // [batch, heads, time]
}

/** Keys and values of several sequences, one per row. The caller tracks how many tokens each row has. */
export interface KvCache {
  /** Rows from `firstRow` on, which have `lengths` tokens: for `ForwardContext.cache`. */
  view(firstRow: number, lengths: readonly number[]): KvCacheView;
  /** Overwrites row `to` with row `from`. */
  copy(from: number, to: number): void;
  dispose(): void;
}

/** Tokens that a layer with a window holds besides it, so that a prompt is read by so many at once. */
const BESIDE_WINDOW = 63;

/**
 * A cache for `rows` sequences of up to `capacity` tokens. A layer's memory is allocated at its first call; one with a
 * window holds little more than that.
 */
export function createKvCache(rows: number, capacity: number): KvCache {
  const caches = new Map<string, Tensor>(); // by path: [rows, 2, KV heads, capacity, depth]
  const cacheAt = (path: string, keyValue: Tensor, window: number): Tensor => {
    const [, , , kvHeads, depth] = keyValue.shape as [number, number, number, number, number];
    const held = Math.min(capacity, window + BESIDE_WINDOW);
    return caches.get(path) ?? zeros([rows, 2, kvHeads, held, depth]);
  };
  return {
    view: (firstRow, lengths) => ({
      lengths,
      attend(path, query, keyValue, scores) {
        const inputs = { query, keyValue, cache: cacheAt(path, keyValue, scores.window) };
        const output = call(cachedAttention, inputs, { ...scores, firstRow, lengths });
        caches.set(path, keep(output.extended));
        return { y: output.y, logSumExp: output.logSumExp };
      },
    }),
    copy(from, to) {
      for (const [path, cache] of caches) {
        const rowSize = cache.size / rows;
        const part = slice(cache, [from], [1]);
        caches.set(path, keep(call(put, { whole: cache, part }, { first: to * rowSize }).total));
        part.dispose();
      }
    },
    dispose() {
      for (const cache of caches.values()) cache.dispose();
      caches.clear();
    },
  };
}
