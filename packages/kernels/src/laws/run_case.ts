// Runs a case of a kernel on a backend of tfjs, on the same inputs everywhere.

import { dispose, setBackend, Tensor, tensor, tidy } from "@tensorflow/tfjs-core";
import { fillNormal, fillUniform, streamKey } from "@tessera/random";
import * as contracts from "../index.js";
import { call } from "../kernel.js";
import type { AnyKernel, Attributes } from "../kernel.js";
import { callMultiTensor, type AnyMultiTensorKernel } from "../multi_tensor.js";
import type { FloatStorage } from "../storage.js";
import type { Case, CaseInput, Values } from "./case.js";

const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** [batch, time]: the first position of each one's document. */
function startsIn(uniform: Float32Array, [batch, time]: readonly number[]): Tensor {
  const starts = new Int32Array(uniform.length);
  uniform.forEach((u, i) => {
    const place = i % time!;
    if (place > 0) starts[i] = u < 2.5 / time! ? place : starts[i - 1]!;
  });
  return tensor(starts, [batch!, time!], "int32");
}

/** The values of an input: a function of its name, so that every run sees the same. */
function draw(name: string, shape: readonly number[], values: Values): Tensor {
  const key = streamKey(1, name);
  const uniform = new Float32Array(size(shape));
  fillUniform(uniform, key, 0);
  const of = (list: Float32Array) => tensor(list, [...shape]);
  if (typeof values === "object") {
    return tensor(
      Int32Array.from(uniform, (u) => Math.floor(u * values.below)),
      [...shape],
      "int32",
    );
  }
  if (values === "starts") return startsIn(uniform, shape);
  // Of a number below 2^16.
  if (values === "bytes") return of(uniform.map((u, i) => (i < 40 ? Math.floor(u * 256) : 0)));
  if (values === "positive") return of(uniform.map((u) => u + 0.5));
  if (values === "infinite") return of(uniform.fill(Infinity));
  if (values === "weights") return of(uniform.map((u) => (u < 0.2 ? 0 : u)));
  const normal = new Float32Array(size(shape));
  fillNormal(normal, key, 0);
  return of(normal);
}

type Definition = AnyKernel | AnyMultiTensorKernel;

/** The kernels that this package defines. */
export const defined: readonly Definition[] = Object.values<unknown>(contracts).filter(
  (value): value is Definition =>
    typeof value === "object" && value !== null && "composite" in value,
);

const definitionOf = (name: string) => defined.find((kernel) => kernel.name === name)!;

type GivenInputs = Readonly<Record<string, Tensor | readonly Tensor[]>>;

/** Where a case is computed: a backend of tfjs, and how its float inputs are stored. */
export interface Place {
  readonly backend: string;
  readonly storage: FloatStorage;
}

/** The inputs of a case, with floats in the storage of the place where they are computed. */
function inputsOf({ inputs, lists = {}, stored = {} }: Case, place: Place): GivenInputs {
  const one = (name: string, [shape, values = "normal"]: CaseInput): Tensor => {
    const x = draw(name, shape, values);
    const storage = stored[name] ?? place.storage;
    return x.dtype === "float32" ? call(contracts.convert, { x }, { storage }).y : x;
  };
  const single = Object.entries(inputs).map(([name, input]) => [name, one(name, input)] as const);
  const several = Object.entries(lists).map(
    ([name, list]) => [name, list.map((input, i) => one(`${name}.${i}`, input))] as const,
  );
  return Object.fromEntries<Tensor | readonly Tensor[]>([...single, ...several]);
}

/** The outputs by name, those of lists as "list.0", "list.1", ... */
function run(definition: Definition, given: GivenInputs, attributes: Attributes) {
  if (!("lists" in definition)) {
    return call(definition, given as Readonly<Record<string, Tensor>>, attributes);
  }
  const made = callMultiTensor(
    definition as typeof contracts.sumOfSquares,
    given as never,
    attributes as never,
  );
  return Object.fromEntries(
    Object.entries<Tensor | readonly Tensor[]>(made).flatMap(([name, output]) =>
      output instanceof Tensor ? [[name, output]] : output.map((x, i) => [`${name}.${i}`, x]),
    ),
  ) as Record<string, Tensor>;
}

/**
 * The outputs of a case by name. The gradient of attention starts from what its forward gave, as
 * only such inputs have a meaning; an exact sum is compared as the number that it makes.
 */
export async function runCase(
  one: Case,
  place: Place,
): Promise<(readonly [name: string, shape: readonly number[], values: ArrayLike<number>])[]> {
  const { kernel, attributes = {} } = one;
  await setBackend(place.backend);
  const made = tidy(() => {
    const given = inputsOf(one, place);
    const forward =
      kernel === "TesseraCausalAttentionGradient"
        ? run(definitionOf("TesseraCausalAttention"), given, attributes)
        : {};
    const outputs = run(definitionOf(kernel), { ...given, ...forward }, attributes);
    return kernel === "TesseraSumOfSquares"
      ? call(contracts.roundSum, { sum: outputs["total"]! }, {})
      : outputs;
  });
  const read = Object.entries(made).map(([name, x]) => [name, [...x.shape], x.dataSync()] as const);
  dispose(made);
  return read;
}

/** The largest difference, relative to the largest value. */
export function difference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let largest = 1e-30;
  let apart = 0;
  for (let i = 0; i < expected.length; i += 1) {
    largest = Math.max(largest, Math.abs(expected[i]!));
    const gap = Math.abs(actual[i]! - expected[i]!);
    apart = Number.isNaN(gap) ? Infinity : Math.max(apart, gap);
  }
  return apart / largest;
}

/** A case in words. */
export const nameOf = ({ kernel, inputs, lists = {}, attributes, stored = {} }: Case): string => {
  const list = Object.entries(lists).map(([name, all]) => [name, all.map(([shape]) => shape)]);
  const shapes = Object.entries(inputs).map(([name, [shape]]) =>
    [name, `[${shape.join(", ")}]`, stored[name]].filter(Boolean).join(" "),
  );
  if (list.length > 0) shapes.push(JSON.stringify(Object.fromEntries(list)));
  return `${kernel} ${shapes.join(", ")} ${attributes === undefined ? "" : JSON.stringify(attributes)}`;
};
