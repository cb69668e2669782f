// The LM head and its loss, some tokens at a time, so that their logits take bounded memory.

import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { TensorFlowBackend } from "../backend.js";
import { TYPES } from "../binding.js";
import { followedStorage, type KernelCall } from "../contract.js";
import type { Graph, Value } from "../graph.js";
import { opsOf } from "../ops.js";
import { typeOf } from "../tensor_data.js";
import { Scratch } from "../scratch.js";
import { asMatrix, castTo, multiply, seenAs, widen } from "./products.js";

const { fp32 } = TYPES;

/** Logits of a chunk and their gradient take at most so many bytes where a call does not say. */
const LOGIT_BYTES = 100 * 2 ** 20;

/** Rows first, first + 1, ... of a matrix, or elements of a vector. All of them are the tensor itself. */
function rowsOf(
  backend: TensorFlowBackend,
  x: TensorInfo,
  first: number,
  count: number,
): TensorInfo {
  if (count === x.shape[0]) return backend.view(x, x.shape);
  const rest = x.shape.slice(1);
  const [rows] = backend.run({
    key: `rows${first},${count}`,
    inputs: [x],
    emit: (graph, [whole]) => [
      opsOf(graph).slice(whole!, [first, ...rest.map(() => 0)], [count, ...rest]),
    ],
  });
  return rows!;
}

/**
 * The loss of each token times its weight, summed; and what probabilities come from: logits below the largest one, the
 * log of the sum of their exponentials, and which of them is the target's.
 */
function lossOf(graph: Graph, [logits, targets, weights, bias]: readonly (Value | undefined)[]) {
  const ops = opsOf(graph);
  const { add, sub, mul, sum } = ops;
  const [tokens, vocabulary] = logits!.shape as [number, number];
  const wide = ops.wide(logits!);
  const all = bias === undefined ? wide : add(wide, bias);
  const shifted = sub(all, ops.max(all, [1], true));
  const logTotal = ops.unary("Log", sum(ops.unary("Exp", shifted), [1], true));
  const isTarget = ops.equal(
    ops.positions(vocabulary, [1, vocabulary]),
    graph.reshape(targets!, [tokens, 1]),
  );
  const reached = sum(ops.select(isTarget, shifted, graph.scalar(0)), [1]);
  const losses = sub(graph.reshape(logTotal, [tokens]), reached);
  return { shifted, logTotal, isTarget, loss: sum(mul(losses, weights!), [0]) };
}

interface Head {
  readonly x: TensorInfo;
  /** In the storage of x. */
  readonly table: TensorInfo;
  readonly targets: TensorInfo;
  readonly weights: TensorInfo;
  readonly bias: TensorInfo | undefined;
}

/** The table in the storage of x: itself, or a copy that `scratch` disposes. */
const narrowed = (
  backend: TensorFlowBackend,
  scratch: Scratch,
  table: TensorInfo,
  x: TensorInfo,
): TensorInfo => castTo(backend, scratch, table, typeOf(followedStorage(backend, [x])));

/** sum + part in fp32, or `part` where there is no sum yet. Disposes both. */
function addTo(backend: TensorFlowBackend, sum: TensorInfo | undefined, part: TensorInfo) {
  if (sum === undefined) return part;
  const [total] = backend.run({
    key: "addTo",
    inputs: [sum, part],
    emit: (graph, [a, b]) => [opsOf(graph).add(graph.cast(a!, fp32), graph.cast(b!, fp32))],
  });
  for (const { dataId } of [sum, part]) backend.disposeData(dataId);
  return total!;
}

/** Calls `each` with the inputs of some tokens at a time. */
function eachChunk(
  backend: TensorFlowBackend,
  { x, table, targets, weights, bias }: Head,
  maxBytes: number,
  each: (chunk: Head) => void,
): void {
  const tokens = x.shape[0]!;
  // Logits and their gradient, in fp32 at most.
  const most = Math.max(1, Math.floor(maxBytes / (2 * 4 * table.shape[0]!)));
  const count = Math.ceil(tokens / Math.ceil(tokens / most));
  for (let first = 0; first < tokens; first += count) {
    const size = Math.min(count, tokens - first);
    const scratch = new Scratch(backend);
    const part = (whole: TensorInfo) => scratch.hold(rowsOf(backend, whole, first, size));
    each({ x: part(x), table, targets: part(targets), weights: part(weights), bias });
    scratch.release();
  }
}

function headOf({ backend, inputs }: KernelCall, scratch: Scratch): Head {
  const { x, table, targets, weights, bias } = inputs;
  const rows = asMatrix(x!);
  const flat = (each: TensorInfo) => seenAs(each, [rows.shape[0]!]);
  return {
    x: rows,
    table: narrowed(backend, scratch, table!, x!),
    ...{ targets: flat(targets!), weights: flat(weights!), bias: bias ?? undefined },
  };
}

/** Nothing to learn from: sums over no tokens. */
const zeros = (backend: TensorFlowBackend, shapes: KernelCall["shapes"]): TensorInfo[] =>
  shapes.map((shape) =>
    backend.uploadValues(new Float32Array(shape.reduce((a, b) => a * b, 1)), shape, "fp32"),
  );

export function crossEntropy(call: KernelCall): TensorInfo[] {
  const { backend, shapes } = call;
  const scratch = new Scratch(backend);
  const head = headOf(call, scratch);
  if (head.x.shape[0] === 0) return zeros(backend, shapes);
  let sum: TensorInfo | undefined;
  eachChunk(backend, head, LOGIT_BYTES, ({ x, table, targets, weights, bias }) => {
    const logits = multiply(backend, x, table, { b: true });
    const [loss] = backend.run({
      key: "loss",
      inputs: [logits, targets, weights, bias],
      emit: (graph, values) => [lossOf(graph, values).loss],
    });
    backend.disposeData(logits.dataId);
    sum = addTo(backend, sum, loss!);
  });
  scratch.release();
  return [sum!];
}

/** [loss, dLogits], and dBias where there is a bias. */
function lossGradient(backend: TensorFlowBackend, chunk: Head): TensorInfo[] {
  const { x, table, targets, weights, bias } = chunk;
  const logits = multiply(backend, x, table, { b: true });
  const made = backend.run({
    key: "lossGradient",
    inputs: [logits, targets, weights, bias],
    emit(graph, values) {
      const { shifted, logTotal, isTarget, loss } = lossOf(graph, values);
      const { sub, mul, sum, unary } = opsOf(graph);
      const hot = graph.cast(isTarget, fp32);
      const weight = graph.reshape(values[2]!, [shifted.shape[0]!, 1]);
      // Exponentials again, so that none are kept.
      const dLogits = mul(sub(unary("Exp", sub(shifted, logTotal)), hot), weight);
      const narrow = graph.cast(dLogits, values[0]!.type);
      return [loss, narrow, ...(bias === undefined ? [] : [sum(dLogits, [0])])];
    },
  });
  backend.disposeData(logits.dataId);
  return made;
}

export function crossEntropyGradient(call: KernelCall): TensorInfo[] {
  const { backend, shapes, attributes } = call;
  const scratch = new Scratch(backend);
  const head = headOf(call, scratch);
  if (head.x.shape[0] === 0) return zeros(backend, shapes);
  const maxBytes = attributes["exponentialBytes"] as number;
  // The table's gradient is as large as the table: of each chunk it is added to the sum at once.
  const sums: { loss?: TensorInfo; dTable?: TensorInfo; dBias?: TensorInfo } = {};
  const slopes: TensorInfo[] = [];
  eachChunk(backend, head, maxBytes, (chunk) => {
    const [loss, dLogits, dBias] = lossGradient(backend, chunk);
    slopes.push(multiply(backend, dLogits!, head.table));
    const dTable = multiply(backend, dLogits!, chunk.x, { a: true });
    backend.disposeData(dLogits!.dataId);
    sums.loss = addTo(backend, sums.loss, loss!);
    sums.dTable = addTo(backend, sums.dTable, dTable);
    if (dBias) sums.dBias = addTo(backend, sums.dBias, dBias);
  });
  scratch.release();
  const [dx] = backend.run({
    key: "joinRows",
    inputs: slopes,
    emit: (graph, parts) => [opsOf(graph).concat(parts as Value[], 0)],
  });
  for (const { dataId } of slopes) backend.disposeData(dataId);
  return [
    sums.loss!,
    seenAs(dx!, shapes[1]!),
    widen(backend, sums.dTable!),
    ...(sums.dBias === undefined ? [] : [sums.dBias]),
  ];
}

/** The logits of a slice of the vocabulary by a product, the rest of `vocabularySlice` compiled. */
export function vocabularySlice({ backend, inputs, attributes, shapes }: KernelCall): TensorInfo[] {
  const scratch = new Scratch(backend);
  const { x, targets, bias } = inputs;
  const table = narrowed(backend, scratch, inputs["table"]!, x!);
  const logits = scratch.hold(multiply(backend, x!, table, { b: true }));
  const firstToken = attributes["firstToken"] as number;
  const made = backend.run({
    key: `vocabularySlice${firstToken}`,
    inputs: [logits, targets!, bias ?? undefined],
    shapes,
    emit(graph, [narrow, tokens, added]) {
      const ops = opsOf(graph);
      const [positions, rows] = narrow!.shape as [number, number];
      const wide = ops.wide(narrow!);
      const all = added === undefined ? wide : ops.add(wide, added);
      const rowMax = ops.max(all, [1], true);
      const exps = ops.unary("Exp", ops.sub(all, rowMax));
      const ids = graph.reshape(tokens!, [positions, 1]);
      const isTarget = ops.equal(ops.positions(rows, [1, rows], firstToken), ids);
      const reached = ops.sum(ops.select(isTarget, all, graph.scalar(0)), [1]);
      const lines = [graph.reshape(rowMax, [positions]), ops.sum(exps, [1]), reached];
      const stats = graph.op(
        "Pack",
        [lines],
        [
          ["N", "int", 3],
          ["axis", "int", 0],
        ],
      );
      return [exps, stats];
    },
  });
  scratch.release();
  return made;
}
