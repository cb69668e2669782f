// Dropout with the bits of @tessera/random: TensorFlow's stateless generator is the same Philox4x32-10, whose counter
// stands for four elements. So a mask is that of every other engine.

import type { TensorInfo } from "@tensorflow/tfjs-core";
import { sizeOf, type Attributes, type RandomSlice } from "@tessera/kernels/contract";
import { contiguousRuns, fillUniform, type Run } from "@tessera/random";
import type { TensorFlowBackend } from "../backend.js";
import { TYPES } from "../binding.js";
import type { KernelCall } from "../contract.js";
import type { Graph, Value } from "../graph.js";
import { opsOf } from "../ops.js";

const { int32, fp32 } = TYPES;
/** TensorFlow's numbers of types that only random words have. */
const UINT32 = 22;
const UINT64 = 23;
const PHILOX = 1;
/** With more runs of elements than that, a mask is made by the host. */
const MAX_RUNS = 512;

/**
 * The least word that is kept: elements are dropped whose number, rounded to fp32 as the host does it, is below `rate`.
 */
export function firstKeptWord(rate: number): number {
  let [low, high] = [0, 2 ** 32];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (Math.fround((middle + 0.5) / 2 ** 32) < rate) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The two halves of a number below 2^53. */
const halvesOf = (value: number): readonly [number, number] => [
  value >>> 0,
  Math.floor(value / 2 ** 32),
];

/** Words of 64 bits at `index` of a vector of 32-bit halves. */
function wordsAt(graph: Graph, halves: Value, index: number, count: number): Value {
  const part = opsOf(graph).slice(halves, [2 * index], [2 * count]);
  const attributes = [
    ["T", "type", int32],
    ["type", "type", UINT64],
  ] as const;
  return graph.node("Bitcast", [graph.reshape(part, [count, 2])], attributes);
}

/** Whether each element of a run is kept: bool [length]. */
function keptInRun(
  graph: Graph,
  halves: Value,
  { offset, length }: Run,
  at: number,
  least: number,
) {
  const lead = offset % 4;
  const words = graph.node(
    "StatelessRandomUniformFullIntV2",
    [
      graph.ints([lead + length]),
      wordsAt(graph, halves, 0, 1),
      wordsAt(graph, halves, 1 + 2 * at, 2),
      graph.scalar(PHILOX, int32),
    ],
    [
      ["dtype", "type", UINT32],
      ["Tshape", "type", int32],
    ],
  );
  const own = lead === 0 ? words : opsOf(graph).slice(words, [lead], [length]);
  const limit = graph.constant(Uint32Array.of(least), UINT32);
  return graph.op("GreaterEqual", [own, limit]);
}

/** Whether each element of the slice of a random tensor is kept: bool [size of the slice]. */
export function keptElements(
  backend: TensorFlowBackend,
  rate: number,
  slice: RandomSlice,
): TensorInfo {
  const size = sizeOf(slice.size);
  const runs = [...contiguousRuns(slice)];
  if (runs.length > MAX_RUNS) return keptByHost(backend, rate, slice, runs);
  const [low = 0, high = 0] = slice.key;
  const counters = runs.flatMap(({ offset }) => [...halvesOf(Math.floor(offset / 4)), 0, 0]);
  const halves = backend.uploadValues(
    Int32Array.from([low, high, ...counters], (half) => half | 0),
    [2 + counters.length],
    "int32",
  );
  const least = firstKeptWord(rate);
  const layout = runs.map(({ offset, length }) => `${offset % 4}+${length}`).join();
  const [kept] = backend.run({
    key: `kept${rate},${layout}`,
    inputs: [halves],
    isCompiled: false,
    emit: (graph, [values]) => [
      opsOf(graph).concat(
        runs.map((run, i) => keptInRun(graph, values!, run, i, least)),
        0,
      ),
    ],
    shapes: [[size]],
  });
  backend.disposeData(halves.dataId);
  return kept!;
}

function keptByHost(
  backend: TensorFlowBackend,
  rate: number,
  { key, size }: RandomSlice,
  runs: readonly Run[],
): TensorInfo {
  const uniform = new Float32Array(sizeOf(size));
  for (const { offset, sliceOffset, length } of runs) {
    fillUniform(uniform.subarray(sliceOffset, sliceOffset + length), [key[0]!, key[1]!], offset);
  }
  return backend.uploadValues(
    Uint8Array.from(uniform, (u) => (u < rate ? 0 : 1)),
    [uniform.length],
    "bool",
  );
}

/** x where it is kept, grown to keep the mean; else 0. */
export const applyMask = (graph: Graph, x: Value, kept: Value, rate: number): Value => {
  const { select, mul } = opsOf(graph);
  return select(graph.reshape(kept, x.shape), mul(x, 1 / (1 - rate)), 0);
};

/** The random stream of a call. */
export const sliceOf = (attributes: Attributes): RandomSlice =>
  attributes as unknown as RandomSlice;

export function dropout({ backend, inputs, attributes }: KernelCall): TensorInfo[] {
  const rate = attributes["rate"] as number;
  const { x } = inputs;
  const kept = keptElements(backend, rate, sliceOf(attributes));
  const made = backend.run({
    key: `dropout${rate}`,
    inputs: [x!, kept],
    emit: (graph, [values, mask]) => {
      const y = applyMask(graph, graph.cast(values!, fp32), mask!, rate);
      return [graph.cast(y, values!.type)];
    },
  });
  backend.disposeData(kept.dataId);
  return made;
}
