// Attention some queries at a time: what forward and backward share of it.

import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { RandomSlice } from "@tessera/kernels/contract";
import type { TensorFlowBackend } from "../backend.js";
import type { KernelCall } from "../contract.js";
import type { Graph, Value } from "../graph.js";
import { opsOf } from "../ops.js";
import type { Scratch } from "../scratch.js";
import { applyMask, keptElements, sliceOf } from "./dropout.js";
import { seenAs } from "./products.js";

/** Queries that are handled together, at least, and at most how many parts there are: each is compiled. */
const MIN_QUERIES = 128;
const MAX_BLOCKS = 16;

/** Below every score; not infinite, whose differences are no numbers. */
const MASKED = -1e9;

export interface Extents {
  readonly batch: number;
  readonly time: number;
  readonly heads: number;
  readonly groups: number;
  readonly depth: number;
  /** Matrices of keys: one for each sequence and KV head. */
  readonly matrices: number;
  /** Query heads to a KV head. */
  readonly repeats: number;
}

/** Queries `first` to `end` of each sequence, which see the keys before `end`. */
export interface Block {
  readonly first: number;
  readonly end: number;
}

export function extentsOf(query: TensorInfo, keyValue: TensorInfo): Extents {
  const [batch, time, heads, depth] = query.shape as [number, number, number, number];
  const groups = keyValue.shape[3]!;
  return { batch, time, heads, groups, depth, matrices: batch * groups, repeats: heads / groups };
}

/** What programs are a function of besides the shapes of their inputs. */
export const extentsKey = ({ batch, groups, repeats }: Extents): string =>
  `${batch},${groups},${repeats}`;

export function blocksOf({ time }: Extents): readonly Block[] {
  const count = Math.max(MIN_QUERIES, Math.ceil(time / MAX_BLOCKS));
  return Array.from({ length: Math.ceil(time / count) }, (_, i) => ({
    first: i * count,
    end: Math.min((i + 1) * count, time),
  }));
}

/** [B, T, heads, D] -> [B G, R, T, D] for heads in groups of R. */
export function perGroup(graph: Graph, x: Value, { batch, time, groups, depth }: Extents): Value {
  const { transpose } = opsOf(graph);
  const heads = x.shape[2]!;
  return graph.reshape(transpose(x, [0, 2, 1, 3]), [batch * groups, heads / groups, time, depth]);
}

/** Query, keys and values as matrices: [B G, R, T, D], twice [B G, T, D]. */
export function splitHeads(
  backend: TensorFlowBackend,
  scratch: Scratch,
  query: TensorInfo,
  keyValue: TensorInfo,
  at: Extents,
) {
  const { batch, time, groups, depth, matrices } = at;
  const made = backend.run({
    key: `splitHeads${extentsKey(at)}`,
    inputs: [query, keyValue],
    emit(graph, [q, kv]) {
      const { slice } = opsOf(graph);
      const half = (index: number): Value => {
        const part = slice(kv!, [0, 0, index, 0, 0], [batch, time, 1, groups, depth]);
        const heads = perGroup(graph, graph.reshape(part, [batch, time, groups, depth]), at);
        return graph.reshape(heads, [matrices, time, depth]);
      };
      return [perGroup(graph, q!, at), half(0), half(1)];
    },
  });
  return made.map((one) => scratch.hold(one)) as [TensorInfo, TensorInfo, TensorInfo];
}

export const blockKey = ({ first, end }: Block): string => `${first},${end}`;

/**
 * What a block needs of matrices of queries [B G, R, T, D], as [B G, R T', D], and of keys or values [B G, T, D], as
 * [B G, S, D]: in one program.
 */
export function sliceBlock(
  backend: TensorFlowBackend,
  scratch: Scratch,
  queries: readonly TensorInfo[],
  keys: readonly TensorInfo[],
  block: Block,
): { readonly queries: readonly TensorInfo[]; readonly keys: readonly TensorInfo[] } {
  const [matrices, repeats, time, depth] = queries[0]!.shape as [number, number, number, number];
  const { first, end } = block;
  const rows = [matrices, repeats * (end - first), depth];
  if (end - first === time) return { queries: queries.map((q) => seenAs(q, rows)), keys };
  // The last block sees all keys as they are.
  const sliced = end === time ? [] : keys;
  const parts = backend.run({
    key: `sliceBlock${blockKey(block)},${queries.length}`,
    inputs: [...queries, ...sliced],
    emit: (graph, values) =>
      values.map((value, i) => {
        const { slice } = opsOf(graph);
        if (i >= queries.length) return slice(value!, [0, 0, 0], [matrices, end, depth]);
        const size = [matrices, repeats, end - first, depth];
        return graph.reshape(slice(value!, [0, 0, first, 0], size), rows);
      }),
  });
  for (const part of parts) scratch.hold(part);
  const own = parts.slice(0, queries.length);
  return { queries: own, keys: end === time ? keys : parts.slice(queries.length) };
}

/** Scores in fp32 as [B, H, T', S], hidden where a query does not see the key. */
export function hiddenScores(
  graph: Graph,
  scores: Value,
  starts: Value | undefined,
  { first, end }: Block,
  { at: { batch, heads }, settings }: { readonly at: Extents; readonly settings: Settings },
): Value {
  const { mul, sub, select, less, lessEqual, and, positions, slice, wide } = opsOf(graph);
  const count = end - first;
  const keys = positions(end, [1, 1, 1, end]);
  const { scale, window } = settings;
  const own = positions(count, [1, 1, count, 1], first);
  const all = lessEqual(keys, own);
  const before = window < end ? and(all, less(sub(own, keys), window)) : all;
  const isSeen =
    starts === undefined
      ? before
      : and(
          before,
          lessEqual(
            graph.reshape(slice(starts, [0, first], [batch, count]), [batch, 1, count, 1]),
            keys,
          ),
        );
  const products = graph.reshape(wide(scores), [batch, heads, count, end]);
  return select(isSeen, mul(products, scale), graph.scalar(MASKED));
}

/** The parts of a softmax along the last of four dimensions, and its log-sum-exp. */
export function softmaxParts(graph: Graph, scores: Value) {
  const { add, sub, sum, max, unary } = opsOf(graph);
  const top = max(scores, [3], true);
  const exps = unary("Exp", sub(scores, top));
  const total = sum(exps, [3], true);
  return { exps, total, nats: add(unary("Log", total), top) };
}

export interface Settings {
  readonly scale: number;
  /** Positions that each attends to. */
  readonly window: number;
  readonly rate: number;
  readonly slice: RandomSlice;
}

export const settingsOf = ({ attributes }: KernelCall): Settings => ({
  scale: attributes["scale"] as number,
  window: attributes["window"] as number,
  rate: attributes["rate"] as number,
  slice: sliceOf(attributes),
});

/** Which probabilities of a block are kept: [B, H, T', T], or undefined without dropout. */
export function keptOf(
  backend: TensorFlowBackend,
  { rate, slice }: Settings,
  { first, end }: Block,
): TensorInfo | undefined {
  if (rate === 0) return undefined;
  const [batch, head, row = 0, column = 0] = slice.start;
  const [batches, heads, , columns] = slice.size as [number, number, number, number];
  const size = [batches, heads, end - first, columns];
  const start = [batch!, head!, row + first, column];
  const kept = keptElements(backend, rate, { ...slice, start, size });
  return { ...kept, shape: size };
}

/** x where it is kept, grown to keep the mean. */
export function keep(graph: Graph, x: Value, kept: Value | undefined, rate: number): Value {
  if (kept === undefined) return x;
  return applyMask(graph, x, opsOf(graph).slice(kept, [0, 0, 0, 0], x.shape), rate);
}

/** Blocks behind each other, as [B, T, H, D]. */
export function joinBlocks(
  backend: TensorFlowBackend,
  parts: readonly TensorInfo[],
  at: Extents,
): TensorInfo {
  const { batch, time, heads, depth, matrices, repeats } = at;
  const [joined] = backend.run({
    key: `joinBlocks${extentsKey(at)}`,
    inputs: parts,
    emit(graph, values) {
      const { concat, transpose } = opsOf(graph);
      const rows = values.map((value) => graph.reshape(value!, [matrices, repeats, -1, depth]));
      const all = graph.reshape(concat(rows, 2), [batch, heads, time, depth]);
      // As a matrix, which products take as it is.
      return [graph.reshape(transpose(all, [0, 2, 1, 3]), [batch * time, heads * depth])];
    },
    shapes: [[batch, time, heads, depth]],
  });
  for (const { dataId } of parts) backend.disposeData(dataId);
  return joined!;
}
