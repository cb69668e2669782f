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
import { causalAttention, checkScores, type ScoreAttributes } from "./attention.js";
import { expectShape, kernel, type Shape } from "./kernel.js";
import { put } from "./put.js";

/** Which rows of a KV cache a call of `cachedAttention` reads and extends, and how it scores keys. */
export type CachedAttentionAttributes = ScoreAttributes &
  Readonly<{
    /** The cache's row that the first row of the batch continues; the others follow it. */
    firstRow: number;
    /** Tokens that each row holds before the call: the position of its first new one. */
    lengths: readonly number[];
  }>;

/**
 * How many of `time` new tokens are written at once: no more than leave the windows of the first of them in the cache,
 * where a token takes the place of the one `capacity` before it.
 */
const tokensAtOnce = (time: number, capacity: number, window: number): number =>
  window > capacity ? time : Math.min(time, capacity - window + 1);

/** query [B, T, H, D]; keyValue [B, T, 2, G, D]; cache [rows, 2, G, capacity, D]. */
function check(query: Shape, keyValue: Shape, cache: Shape, attributes: CachedAttentionAttributes) {
  const name = "cachedAttention";
  const { firstRow, lengths, window } = attributes;
  checkScores(name, attributes);
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
    if (length < 0 || (length + time > capacity && window > capacity)) {
      throw new Error(`${name}: ${length} and ${time} tokens are more than ${capacity}`);
    }
  }
}

/**
 * y and logSumExp as of `causalAttention` over all tokens of each row; `extended` is the cache with the
 * new keys and values behind the old ones. Position p is at place p modulo the capacity, which need not exceed
 * the window.
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
  composite({ query, keyValue, cache }, { scale, window, firstRow, lengths }) {
    const time = query.shape[1]!;
    const atOnce = tokensAtOnce(time, cache.shape[3]!, window);
    let extended = cache;
    const attendRow = (length: number, b: number) => {
      const made = Array.from({ length: Math.ceil(time / atOnce) }, (_, i) => {
        const [first, count] = [i * atOnce, Math.min(atOnce, time - i * atOnce)];
        const some = (x: Tensor): Tensor => slice(x, [b, first], [1, count, ...x.shape.slice(2)]);
        const [row, from] = [firstRow + b, length + first];
        extended = written(extended, some(keyValue), row, from);
        const seen = lastOf(extended, row, from + count, count + Math.min(from, window - 1));
        return attend(some(query), seen, { scale, window });
      });
      return {
        y: concat(
          made.map(({ y }) => y),
          1,
        ),
        logSumExp: concat(
          made.map(({ logSumExp }) => logSumExp),
          2,
        ),
      };
    };
    const rows = lengths.map(attendRow);
    const joined = (part: "y" | "logSumExp") => concat(rows.map((one) => one[part]));
    return { y: joined("y"), logSumExp: joined("logSumExp"), extended };
  },
});

/** Tokens that lie behind each other in a cache: `count` of them, whose first is the `first` of all, at `slot`. */
interface Run {
  readonly first: number;
  readonly slot: number;
  readonly count: number;
}

/** The runs of `count` tokens from position `from` on: a second one where they go on at the cache's first place. */
function runsOf(from: number, count: number, capacity: number): readonly Run[] {
  const slot = from % capacity;
  const before = Math.min(count, capacity - slot);
  const runs = [
    { first: 0, slot, count: before },
    { first: before, slot: 0, count: count - before },
  ];
  return runs.filter((run) => run.count > 0);
}

/** `cache` with keyValue [1, T, 2, G, D] in row `row`, from position `from` on. */
function written(cache: Tensor, keyValue: Tensor, row: number, from: number): Tensor {
  const [, , groups, capacity, depth] = cache.shape as [number, number, number, number, number];
  return runsOf(from, keyValue.shape[1]!, capacity).reduce((held, { first, slot, count }) => {
    const some = slice(keyValue, [0, first], [1, count, 2, groups, depth]);
    const perHead = reshape(transpose(some, [0, 2, 3, 1, 4]), [2 * groups, count * depth]);
    return unstack(perHead).reduce<Tensor>((whole, part, head) => {
      const at = ((row * 2 * groups + head) * capacity + slot) * depth;
      return put.composite({ whole, part }, { first: at }).total;
    }, held);
  }, cache);
}

/** The last `count` tokens of a row that `end` tokens were written to, as keyValue [1, count, 2, G, D]. */
function lastOf(cache: Tensor, row: number, end: number, count: number): Tensor {
  const [, , groups, capacity, depth] = cache.shape as [number, number, number, number, number];
  const parts = runsOf(end - count, count, capacity).map((run) => {
    const held = slice(cache, [row, 0, 0, run.slot, 0], [1, 2, groups, run.count, depth]);
    return transpose(held, [0, 3, 1, 2, 4]);
  });
  return concat(parts, 1);
}

/**
 * Queries [1, T, H, D] at the end of keyValue [1, length, 2, G, D]. Those before them are filled with
 * zeros, whose results are cut off again.
 */
function attend(query: Tensor, keyValue: Tensor, scores: ScoreAttributes) {
  const [, time, heads, depth] = query.shape as [number, number, number, number];
  const before = keyValue.shape[1]! - time;
  const padded = concat([zeros([1, before, heads, depth]), query], 1);
  const unused = { shape: [], start: [], size: [], key: [] };
  const all = causalAttention.composite(
    { query: padded, keyValue },
    { ...unused, ...scores, rate: 0 },
  );
  return {
    y: slice(all.y, [0, before, 0, 0], [1, time, heads, depth]),
    logSumExp: slice(all.logSumExp, [0, 0, before], [1, heads, time]),
  };
}
