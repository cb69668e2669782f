// What the rows of a batch continue: the keys and values of the tokens before, which attention keeps
// while text is written token by token.

import { keep, slice, zeros, type Tensor } from "@tensorflow/tfjs-core";
import { cachedAttention, call, put } from "@tessera/kernels";

/** The rows that a call continues. */
export interface KvCacheView {
  /** Tokens of each row before this call: the position of its first. */
  readonly lengths: readonly number[];
  /** Attention of new tokens to all, for the layer at `path`; what is new is kept. */
  attend(path: string, query: Tensor, keyValue: Tensor, scale: number): AttentionOutput;
}

export interface AttentionOutput {
  readonly y: Tensor; // [batch, time, heads, depth]
  readonly logSumExp: Tensor; // [batch, heads, time]
}

/** Keys and values of some sequences, each a row. Rows hold what callers say they hold. */
export interface KvCache {
  /** Rows from `firstRow` on, with these numbers of tokens: for `Step.past`. */
  view(firstRow: number, lengths: readonly number[]): KvCacheView;
  /** Gives row `to` what row `from` holds. */
  copy(from: number, to: number): void;
  dispose(): void;
}

/** Room for `rows` sequences of up to `capacity` tokens, taken when a layer first attends. */
export function createKvCache(rows: number, capacity: number): KvCache {
  const caches = new Map<string, Tensor>(); // by path: [rows, 2, key heads, capacity, depth]
  const cacheAt = (path: string, keyValue: Tensor): Tensor => {
    const [, , , groups, depth] = keyValue.shape as [number, number, number, number, number];
    return caches.get(path) ?? zeros([rows, 2, groups, capacity, depth]);
  };
  return {
    view: (firstRow, lengths) => ({
      lengths,
      attend(path, query, keyValue, scale) {
        const inputs = { query, keyValue, cache: cacheAt(path, keyValue) };
        const made = call(cachedAttention, inputs, { scale, firstRow, lengths });
        caches.set(path, keep(made.extended));
        return { y: made.y, logSumExp: made.logSumExp };
      },
    }),
    copy(from, to) {
      for (const [path, cache] of caches) {
        const size = cache.size / rows;
        const part = slice(cache, [from], [1]);
        caches.set(path, keep(call(put, { whole: cache, part }, { first: to * size }).total));
        part.dispose();
      }
    },
    dispose() {
      for (const cache of caches.values()) cache.dispose();
      caches.clear();
    },
  };
}
