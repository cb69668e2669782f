// Optimizers, in programs that update parameters and their moments where they are.

import type { TensorInfo } from "@tensorflow/tfjs-core";
import {
  EXACT_SUM_BYTES,
  EXACT_SUM_UNIT,
  type AdamAttributes,
  type Attributes,
  type SgdAttributes,
} from "@tessera/kernels/contract";
import type { TensorFlowBackend } from "../backend.js";
import { TYPES } from "../binding.js";
import type { KernelCall } from "../contract.js";
import type { Graph, Value } from "../graph.js";
import { opsOf } from "../ops.js";
import type { Emit } from "../programs.js";

/** The lists and tensors of a call of a kernel over lists. */
export type ListInputs = Readonly<Record<string, readonly TensorInfo[]>> &
  Readonly<Record<string, TensorInfo>>;

/** What changes from step to step is an input: the program stays. */
const coefficientsOf = (graph: Graph, vector: Value): readonly Value[] =>
  Array.from({ length: vector.shape[0]! }, (_, i) =>
    graph.reshape(opsOf(graph).slice(vector, [i], [1]), []),
  );

/** `updated`, or `before` where the scale is not finite. */
const unlessOverflow = (
  graph: Graph,
  scale: Value,
  pairs: readonly (readonly [updated: Value, before: Value])[],
): readonly Value[] => {
  const { unary, select } = opsOf(graph);
  const isFinite = unary("IsFinite", scale);
  return pairs.map(([updated, before]) =>
    select(isFinite, graph.cast(updated, before.type), before),
  );
};

const uploadVector = (backend: TensorFlowBackend, values: readonly number[]): TensorInfo =>
  backend.uploadValues(Float32Array.from(values), [values.length], "fp32");

/** The lists that an update replaces, and what writes their successors. */
interface Optimizer {
  readonly key: string;
  readonly emit: Emit;
  readonly updated: readonly string[];
}

/** Adam's update as the composite of `adamStep` has it. */
const emitAdam: Emit = (graph, [param, mean, square, gradient, scale, vector]) => {
  const ops = opsOf(graph);
  const { add, sub, mul, div, unary } = ops;
  const [beta1, rest1, beta2, rest2, correction, epsilon, rate, keep, l2] = coefficientsOf(
    graph,
    vector!,
  ) as [Value, Value, Value, Value, Value, Value, Value, Value, Value];
  const scaled = add(mul(ops.wide(gradient!), scale!), mul(param!, l2));
  const nextMean = add(mul(mean!, beta1), mul(scaled, rest1));
  const nextSquare = add(mul(square!, beta2), mul(mul(scaled, scaled), rest2));
  const size = add(div(unary("Sqrt", nextSquare), correction), epsilon);
  const next = sub(mul(param!, keep), mul(div(nextMean, size), rate));
  return unlessOverflow(graph, scale!, [
    [next, param!],
    [nextMean, mean!],
    [nextSquare, square!],
  ]);
};

function adamCoefficients(
  { learningRate, beta1, beta2, epsilon, decoupled, step }: AdamAttributes,
  decay: number,
): readonly number[] {
  return [
    ...[beta1, 1 - beta1, beta2, 1 - beta2, Math.sqrt(1 - beta2 ** step), epsilon],
    learningRate / (1 - beta1 ** step),
    decoupled ? 1 - learningRate * decay : 1,
    decoupled ? 0 : decay,
  ];
}

const emitSgd: Emit = (graph, [param, velocity, gradient, scale, vector]) => {
  const ops = opsOf(graph);
  const { add, sub, mul } = ops;
  const [rate, momentum, decay] = coefficientsOf(graph, vector!) as [Value, Value, Value];
  const scaled = add(mul(ops.wide(gradient!), scale!), mul(param!, decay));
  const next = add(mul(velocity!, momentum), scaled);
  return unlessOverflow(graph, scale!, [
    [sub(param!, mul(next, rate)), param!],
    [next, velocity!],
  ]);
};

const ADAM: Optimizer = { key: "adam", emit: emitAdam, updated: ["params", "means", "squares"] };
const SGD: Optimizer = { key: "sgd", emit: emitSgd, updated: ["params", "velocities"] };

/** Parameters that one program updates, at most, where it is compiled: each launch takes longer than a small update. */
const MAX_TOGETHER = 8;

/** Indices of those of one kind, at most `most` together. Sizes are powers of two, so that programs are few. */
function groupsOf(kinds: readonly string[], most: number): readonly (readonly number[])[] {
  const ofKind = new Map(kinds.map((kind) => [kind, [] as number[]]));
  kinds.forEach((kind, i) => ofKind.get(kind)!.push(i));
  return [...ofKind.values()].flatMap((indices) => {
    const parts: number[][] = [];
    for (let first = 0; first < indices.length; first += parts.at(-1)!.length) {
      const size = 2 ** Math.floor(Math.log2(Math.min(most, indices.length - first)));
      parts.push(indices.slice(first, first + size));
    }
    return parts;
  });
}

/**
 * Updates each parameter and what belongs to it. Those of one shape and weight decay are updated together, with one vector
 * of coefficients for each decay. Returns what they became, list by list.
 */
function updateParameters(
  backend: TensorFlowBackend,
  { scale, ...lists }: ListInputs,
  { key, emit, updated }: Optimizer,
  decays: readonly number[],
  coefficients: (decay: number) => readonly number[],
): TensorInfo[] {
  const at = (name: string, i: number): TensorInfo => (lists as ListInputs)[name]![i]!;
  const vectors = new Map(
    [...new Set(decays)].map((decay) => [decay, uploadVector(backend, coefficients(decay))]),
  );
  const kinds = decays.map((decay, i) => `${decay} ${at("gradients", i).shape.join()}`);
  const groups = groupsOf(kinds, backend.programs.compiles ? MAX_TOGETHER : 1);
  const made = backend.update(
    groups.map((group) => ({
      key,
      updated: group.flatMap((i) => updated.map((name) => at(name, i))),
      others: [...group.map((i) => at("gradients", i)), scale!, vectors.get(decays[group[0]!]!)!],
      emit: together(emit, group.length, updated.length),
    })),
  );
  for (const { dataId } of vectors.values()) backend.disposeData(dataId);
  const next = updated.map(() => new Array<TensorInfo>(decays.length));
  groups.forEach((group, g) =>
    group.forEach((i, k) =>
      updated.forEach((_, list) => (next[list]![i] = made[g]![k * updated.length + list]!)),
    ),
  );
  return next.flat();
}

/** Writes what `emit` does for each of `count` parameters, each with so many tensors, and a gradient. */
const together =
  (emit: Emit, count: number, tensors: number): Emit =>
  (graph, inputs) => {
    const [gradients, shared] = [inputs.slice(count * tensors, -2), inputs.slice(-2)];
    return gradients.flatMap((gradient, k) =>
      emit(graph, [...inputs.slice(k * tensors, (k + 1) * tensors), gradient, ...shared]),
    );
  };

export function adamStep(
  backend: TensorFlowBackend,
  inputs: ListInputs,
  attributes: Attributes,
): TensorInfo[] {
  const adam = attributes as AdamAttributes;
  const of = (decay: number) => adamCoefficients(adam, decay);
  return updateParameters(backend, inputs, ADAM, adam.weightDecay, of);
}

export function sgdStep(
  backend: TensorFlowBackend,
  inputs: ListInputs,
  attributes: Attributes,
): TensorInfo[] {
  const { learningRate, momentum, weightDecay } = attributes as SgdAttributes;
  const of = (decay: number) => [learningRate, momentum, decay];
  return updateParameters(backend, inputs, SGD, weightDecay, of);
}

/** sums[i] + gradients[i]: each pair's memory is free for the next. */
export function accumulateAll(
  backend: TensorFlowBackend,
  { sums, gradients }: ListInputs,
): TensorInfo[] {
  const pairs = (sums as unknown as readonly TensorInfo[]).map(
    (sum, i) => [sum, (gradients as unknown as readonly TensorInfo[])[i]!] as const,
  );
  return pairs.map(([sum, gradient]) => {
    const [total] = backend.run({
      key: "accumulate",
      inputs: [sum, gradient],
      emit: (graph, [a, b]) => [opsOf(graph).add(a!, graph.cast(b!, a!.type))],
      shapes: [sum.shape],
    });
    backend.consume(sum);
    backend.consume(gradient);
    return total!;
  });
}

/** The byte of an exact sum that counts ones. */
const ONES = -EXACT_SUM_UNIT / 8;

/**
 * The sum of the squares of all tensors, as the byte that counts ones of an exact sum: by TensorFlow's own L2Loss, whose
 * sums are pairwise. It is not exact, so that its last bits depend on which rank has what.
 */
export function sumOfSquares(backend: TensorFlowBackend, { xs }: ListInputs): TensorInfo[] {
  const tensors = xs as unknown as readonly TensorInfo[];
  return backend.run({
    key: "sumOfSquares",
    inputs: tensors,
    isCompiled: false,
    emit(graph, values) {
      const { concat, mul, wide } = opsOf(graph);
      const zeros = (count: number) => graph.constant(new Float32Array(count), TYPES.fp32, [count]);
      if (values.length === 0) return [zeros(EXACT_SUM_BYTES)];
      const squares = values.map((x) => mul(graph.op("L2Loss", [wide(x!)]), 2));
      const total = graph.op("AddN", [squares], [["N", "int", squares.length]]);
      const ones = graph.reshape(total, [1]);
      return [concat([zeros(ONES), ones, zeros(EXACT_SUM_BYTES - ONES - 1)], 0)];
    },
  });
}

/** What the bytes of an exact sum count, as fp32 can say it. */
const BYTE_WORTHS = Float32Array.from(
  { length: EXACT_SUM_BYTES },
  (_, i) => 2 ** Math.min(8 * (i - ONES), 127),
);

/** The number that the bytes of an exact sum make. */
export const roundSum = ({ backend, inputs }: KernelCall): TensorInfo[] =>
  backend.run({
    key: "roundSum",
    inputs: [inputs["sum"]!],
    isCompiled: false,
    emit(graph, [bytes]) {
      const { mul, sum, wide } = opsOf(graph);
      const worths = graph.constant(BYTE_WORTHS, TYPES.fp32, [EXACT_SUM_BYTES]);
      return [sum(mul(wide(bytes!), worths), [0])];
    },
  });
