// Causal attention of new tokens to those before them, whose keys and values lie in a cache: how text
// is written token by token without running the whole of it again. Rows may have different lengths.

import {
  concat,
  reshape,
  slice,
  transpose,
  unstack,
  zeros,
  type Tensor,
} from "@tensorflow/tfjs-core";
import { causalAttention } from "./attention.js";
import { expectShape, kernel, type Shape } from "./kernel.js";
import { put } from "./put.js";

/** Which rows of a KV cache a call of `cachedAttention` reads and extends, and its scale of logits. */
export type CachedAttentionAttributes = Readonly<{
  scale: number;
  /** The cache's row that the first row of the batch continues; the others follow it. */
  firstRow: number;
  /** Tokens that each row holds before the call: the position of its first new one. */
  lengths: readonly number[];
}>;

/** query [B, T, H, D]; keyValue [B, T, 2, G, D]; cache [rows, 2, G, capacity, D]. */
function check(query: Shape, keyValue: Shape, cache: Shape, attributes: CachedAttentionAttributes) {
  const name = "cachedAttention";
  const { firstRow, lengths } = attributes;
  const [batch, time, heads, depth] = query as [number, number, number, number];
  const [rows, , groups, capacity] = cache as [number, number, number, number];
  expectShape(name, "keyValue", keyValue, [batch, time, 2, groups, depth]);
  expectShape(name, "cache", cache, [rows, 2, groups, capacity, depth]);
  if (groups === 0 || heads % groups !== 0) {
    throw new Error(`${name}: ${heads} query heads are not a multiple of ${groups} KV heads`);
  }
  if (firstRow < 0 || firstRow + batch > rows || lengths.length !== batch) {
    throw new Error(`${name}: rows ${firstRow} to ${firstRow + batch} are not all in ${rows}`);
  }
  for (const length of lengths) {
    if (length < 0 || length + time > capacity) {
      throw new Error(`${name}: ${length} and ${time} tokens are more than ${capacity}`);
    }
  }
}

/**
 * y and logSumExp as of `causalAttention` over all tokens of each row; `extended` is the cache with the
 * new keys and values behind the old ones.
 */
export const cachedAttention = kernel<
  "query" | "keyValue" | "cache",
  "y" | "logSumExp" | "extended",
  CachedAttentionAttributes
>({
  name: "TesseraCachedAttention",
  inputs: ["query", "keyValue", "cache"],
  outputs: ["y", "logSumExp", "extended"],
  consumes: ["cache"],
  shapes({ query, keyValue, cache }, attributes) {
    check(query, keyValue, cache, attributes);
    const [batch, time, heads] = query as [number, number, number];
    return { y: query, logSumExp: [batch, heads, time], extended: cache };
  },
  composite({ query, keyValue, cache }, { scale, firstRow, lengths }) {
    let extended = cache;
    const made = lengths.map((length, b) => {
      const row = firstRow + b;
      const kv = slice(keyValue, b, 1);
      extended = written(extended, kv, row, length);
      return attend(slice(query, b, 1), rowOf(extended, row, length + kv.shape[1]!), scale);
    });
    const joined = (part: "y" | "logSumExp") => concat(made.map((one) => one[part]));
    return { y: joined("y"), logSumExp: joined("logSumExp"), extended };
  },
});

/** `cache` with keyValue [1, T, 2, G, D] in row `row`, from token `length` on. */
function written(cache: Tensor, keyValue: Tensor, row: number, length: number): Tensor {
  const [, , groups, capacity, depth] = cache.shape as [number, number, number, number, number];
  const [, time] = keyValue.shape as [number, number];
  const perHead = reshape(transpose(keyValue, [0, 2, 3, 1, 4]), [2 * groups, time * depth]);
  return unstack(perHead).reduce<Tensor>((whole, part, head) => {
    const first = ((row * 2 * groups + head) * capacity + length) * depth;
    return put.composite({ whole, part }, { first }).total;
  }, cache);
}

/** The first `length` tokens of a row, as keyValue [1, length, 2, G, D]. */
function rowOf(cache: Tensor, row: number, length: number): Tensor {
  const [, , groups, , depth] = cache.shape as [number, number, number, number, number];
  const held = slice(cache, [row, 0, 0, 0, 0], [1, 2, groups, length, depth]);
  return transpose(held, [0, 3, 1, 2, 4]);
}

/**
 * Queries [1, T, H, D] at the end of keyValue [1, length, 2, G, D]. Those before them are filled with
 * zeros, whose results are cut off again.
 */
function attend(query: Tensor, keyValue: Tensor, scale: number) {
  const [, time, heads, depth] = query.shape as [number, number, number, number];
  const before = keyValue.shape[1]! - time;
  const padded = concat([zeros([1, before, heads, depth]), query], 1);
  const unused = { shape: [], start: [], size: [], key: [] };
  const all = causalAttention.composite({ query: padded, keyValue }, { ...unused, scale, rate: 0 });
  return {
    y: slice(all.y, [0, before, 0, 0], [1, time, heads, depth]),
    logSumExp: slice(all.logSumExp, [0, 0, before], [1, heads, time]),
  };
}
