// Attention of new tokens to a cache: how many tokens each row holds is an input, so every token runs the same program.

import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { CachedAttentionAttributes } from "@tessera/kernels/contract";
import { TYPES } from "../binding.js";
import type { KernelCall } from "../contract.js";
import type { Graph, Value } from "../graph.js";
import { opsOf } from "../ops.js";
import { softmaxParts } from "./attention_blocks.js";

const { int32 } = TYPES;

/** Rows of the cache with keyValue [B, T, 2, G, D] written from each row's length on: [B, 2, G, capacity, D]. */
function extend(graph: Graph, rows: Value, keyValue: Value, lengths: Value): Value {
  const { sub, select, less, lessEqual, and, positions, transpose } = opsOf(graph);
  const [batch, , , capacity] = rows.shape as [number, number, number, number];
  const time = keyValue.shape[1]!;
  // Which new token belongs to each position: [B, capacity].
  const token = sub(positions(capacity, [1, capacity]), graph.reshape(lengths, [batch, 1]));
  const isNew = and(lessEqual(graph.scalar(0, int32), token), less(token, time));
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

export function cachedAttention({ backend, inputs, attributes, shapes }: KernelCall): TensorInfo[] {
  const { scale, firstRow, lengths } = attributes as unknown as CachedAttentionAttributes;
  const held = backend.uploadValues(Int32Array.from(lengths), [lengths.length], "int32");
  const made = backend.run({
    key: `cachedAttention${scale},${firstRow}`,
    inputs: [inputs["query"]!, inputs["keyValue"]!, inputs["cache"]!, held],
    shapes,
    emit(graph, [query, keyValue, cache, before]) {
      const ops = opsOf(graph);
      const { add, div, mul, select, lessEqual, positions } = ops;
      const { transpose, slice, concat, matMul, wide } = ops;
      const [batch, time, heads, depth] = query!.shape as [number, number, number, number];
      const [all, , groups, capacity] = cache!.shape as [number, number, number, number];
      const part = (first: number, count: number) =>
        slice(cache!, [first, 0, 0, 0, 0], [count, 2, groups, capacity, depth]);
      const rows = extend(graph, part(firstRow, batch), keyValue!, before!);
      const after = all - firstRow - batch;
      const extended = concat(
        [
          ...(firstRow === 0 ? [] : [part(0, firstRow)]),
          rows,
          ...(after === 0 ? [] : [part(firstRow + batch, after)]),
        ],
        0,
      );
      const half = (index: number) =>
        graph.reshape(wide(slice(rows, [0, index, 0, 0, 0], [batch, 1, groups, capacity, depth])), [
          batch * groups,
          capacity,
          depth,
        ]);
      const queries = graph.reshape(transpose(wide(query!), [0, 2, 1, 3]), [
        batch * groups,
        (heads / groups) * time,
        depth,
      ]);
      const scores = graph.reshape(matMul(queries, half(0), false, true), [
        batch,
        heads,
        time,
        capacity,
      ]);
      const last = add(graph.reshape(before!, [batch, 1, 1, 1]), positions(time, [1, 1, time, 1]));
      const isSeen = lessEqual(positions(capacity, [1, 1, 1, capacity]), last);
      const hidden = select(isSeen, mul(scores, scale), graph.scalar(-1e9));
      const { exps, total, nats } = softmaxParts(graph, hidden);
      const shares = graph.reshape(div(exps, total), [
        batch * groups,
        (heads / groups) * time,
        capacity,
      ]);
      const y = graph.reshape(matMul(shares, half(1)), [batch, heads, time, depth]);
      const logSumExp = graph.reshape(nats, [batch, heads, time]);
      return [graph.cast(transpose(y, [0, 2, 1, 3]), query!.type), logSumExp, extended];
    },
  });
  backend.disposeData(held.dataId);
  backend.consume(inputs["cache"]!);
  return made;
}
