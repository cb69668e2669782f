// Attention of new tokens to a cache: how many tokens each row holds is an input, so every token runs the same program.

import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { CachedAttentionAttributes, ScoreAttributes } from "@tessera/kernels/contract";
import { TYPES } from "../binding.js";
import type { KernelCall } from "../contract.js";
import type { Graph, Value } from "../graph.js";
import { opsOf } from "../ops.js";
import { softmaxParts } from "./attention_blocks.js";

const { int32 } = TYPES;

/** The last number before `end` that lies at `slot` of `capacity`, where p lies at p modulo the capacity; below 0 for none. */
function lastAt(graph: Graph, end: Value, slot: Value, capacity: number): Value {
  const { sub } = opsOf(graph);
  const last = sub(end, 1);
  return sub(last, graph.op("FloorMod", [sub(last, slot), graph.scalar(capacity, int32)]));
}

/** Rows of the cache with keyValue [B, T, 2, G, D] written from each row's length on: [B, 2, G, capacity, D]. */
function extend(graph: Graph, rows: Value, keyValue: Value, lengths: Value): Value {
  const { add, sub, select, lessEqual, positions, transpose } = opsOf(graph);
  const [batch, , , capacity] = rows.shape as [number, number, number, number];
  const time = keyValue.shape[1]!;
  // Which new token belongs to each place: [B, capacity].
  const before = graph.reshape(lengths, [batch, 1]);
  const slots = positions(capacity, [1, capacity]);
  const token = sub(lastAt(graph, add(before, time), slots, capacity), before);
  const isNew = lessEqual(graph.scalar(0, int32), token);
  const clipped = graph.op("ClipByValue", [
    token,
    graph.scalar(0, int32),
    graph.scalar(time - 1, int32),
  ]);
  const spread = graph.node(
    "GatherV2",
    [keyValue, clipped, graph.scalar(1, int32)],
    [
      ["Tparams", "type", keyValue.type],
      ["Tindices", "type", int32],
      ["Taxis", "type", int32],
      ["batch_dims", "int", 1],
    ],
  );
  const perHead = transpose(spread, [0, 2, 3, 1, 4]);
  return select(
    graph.reshape(isNew, [batch, 1, 1, capacity, 1]),
    graph.cast(perHead, rows.type),
    rows,
  );
}

/** Scores [B, H, T, S] of those at positions `keys` [B, 1, 1, S], hidden where the queries at `own` do not see them. */
function hide(
  graph: Graph,
  scores: Value,
  { own, keys }: { readonly own: Value; readonly keys: Value },
  { scale, window }: ScoreAttributes,
): Value {
  const { mul, sub, select, less, lessEqual, and } = opsOf(graph);
  const isThere = and(lessEqual(graph.scalar(0, int32), keys), lessEqual(keys, own));
  const isNear = window === Infinity ? isThere : and(isThere, less(sub(own, keys), window));
  return select(isNear, mul(scores, scale), graph.scalar(-1e9));
}

/** y [B, T, H, D] and the log-sum-exp [B, H, T] of queries [B, T, H, D] that see `held` rows of a cache and `keyValue`. */
function attend(
  graph: Graph,
  [query, keyValue, held, lengths]: readonly [Value, Value, Value, Value],
  attributes: ScoreAttributes,
): readonly [y: Value, logSumExp: Value] {
  const { add, div, positions, transpose, slice, concat, matMul, wide } = opsOf(graph);
  const [batch, time, heads, depth] = query.shape as [number, number, number, number];
  const [, , groups, capacity] = held.shape as [number, number, number, number];
  const [matrices, rows] = [batch * groups, (heads / groups) * time];
  const half = (index: number): readonly [old: Value, fresh: Value] => {
    const old = slice(held, [0, index, 0, 0, 0], [batch, 1, groups, capacity, depth]);
    const part = slice(keyValue, [0, 0, index, 0, 0], [batch, time, 1, groups, depth]);
    const perHead = transpose(graph.reshape(part, [batch, time, groups, depth]), [0, 2, 1, 3]);
    const stored = graph.cast(perHead, held.type);
    return [
      graph.reshape(wide(old), [matrices, capacity, depth]),
      graph.reshape(wide(stored), [matrices, time, depth]),
    ];
  };
  const [[oldKeys, keys], [oldValues, values]] = [half(0), half(1)];
  const queries = graph.reshape(transpose(wide(query), [0, 2, 1, 3]), [matrices, rows, depth]);
  const before = graph.reshape(lengths, [batch, 1, 1, 1]);
  const own = add(before, positions(time, [1, 1, time, 1]));
  const scores = (of: Value, count: number, at: Value): Value => {
    const products = graph.reshape(matMul(queries, of, false, true), [batch, heads, time, count]);
    return hide(graph, products, { own, keys: at }, attributes);
  };
  const slots = positions(capacity, [1, 1, 1, capacity]);
  const all = concat(
    [
      scores(oldKeys, capacity, lastAt(graph, before, slots, capacity)),
      scores(keys, time, add(before, positions(time, [1, 1, 1, time]))),
    ],
    3,
  );
  const { exps, total, nats } = softmaxParts(graph, all);
  const shares = graph.reshape(div(exps, total), [matrices, rows, capacity + time]);
  const share = (first: number, count: number): Value =>
    slice(shares, [0, 0, first], [matrices, rows, count]);
  const y = add(matMul(share(0, capacity), oldValues), matMul(share(capacity, time), values));
  const perHead = graph.reshape(y, [batch, heads, time, depth]);
  return [
    graph.cast(transpose(perHead, [0, 2, 1, 3]), query.type),
    graph.reshape(nats, [batch, heads, time]),
  ];
}

export function cachedAttention({ backend, inputs, attributes, shapes }: KernelCall): TensorInfo[] {
  const { scale, window, firstRow, lengths } = attributes as unknown as CachedAttentionAttributes;
  const held = backend.uploadValues(Int32Array.from(lengths), [lengths.length], "int32");
  const made = backend.run({
    key: `cachedAttention${scale},${window},${firstRow}`,
    inputs: [inputs["query"]!, inputs["keyValue"]!, inputs["cache"]!, held],
    shapes,
    emit(graph, [query, keyValue, cache, before]) {
      const { slice, concat } = opsOf(graph);
      const batch = query!.shape[0]!;
      const [all, ...row] = cache!.shape as [number, ...number[]];
      const part = (first: number, count: number) =>
        slice(cache!, [first, 0, 0, 0, 0], [count, ...row]);
      const rows = part(firstRow, batch);
      const after = all - firstRow - batch;
      const extended = concat(
        [
          ...(firstRow === 0 ? [] : [part(0, firstRow)]),
          extend(graph, rows, keyValue!, before!),
          ...(after === 0 ? [] : [part(firstRow + batch, after)]),
        ],
        0,
      );
      const attended = attend(graph, [query!, keyValue!, rows, before!], { scale, window });
      return [...attended, extended];
    },
  });
  backend.disposeData(held.dataId);
  backend.consume(inputs["cache"]!);
  return made;
}
