// The contract of a kernel, said once: its names, its shapes, and a composite of plain tfjs ops
// that defines its numbers. A backend that registers the kernel under the same name is a faster
// way to those numbers; on any other backend the composite runs.

import {
  engine,
  getBackend,
  getKernel,
  reshape,
  tidy,
  type Tensor,
  type Tensor2D,
} from "@tensorflow/tfjs-core";

export type Shape = readonly number[];
export type Attribute = number | boolean | string | readonly number[];
export type Attributes = Readonly<Record<string, Attribute>>;

export type NoAttributes = Readonly<Record<string, never>>;

/** `I`, `O`: names of inputs and outputs. `A`: attributes, which are known on the host. */
export interface Kernel<I extends string, O extends string, A extends Attributes> {
  /** Unique among all kernels of a tfjs backend. */
  readonly name: string;
  readonly inputs: readonly I[];
  readonly outputs: readonly O[];
  /**
   * Inputs that the call uses up: a backend may write an output over them, so the caller must
   * hold no other reference that it expects unchanged, and must not use them afterwards.
   */
  readonly consumes?: readonly I[];
  /** Output shapes from input shapes. Throws, naming the input, where they do not fit. */
  shapes(inputs: Readonly<Record<I, Shape>>, attributes: A): Readonly<Record<O, Shape>>;
  /** The definition, in ops that every tfjs backend has. */
  composite(inputs: Readonly<Record<I, Tensor>>, attributes: A): Record<O, Tensor>;
}

/** Infers the names, so that `shapes` and `composite` cannot misspell them. */
export const kernel = <const I extends string, const O extends string, A extends Attributes>(
  definition: Kernel<I, O, A>,
): Kernel<I, O, A> => definition;

/** A record with one value per name. */
function record<N extends string, V>(names: readonly N[], value: (name: N, i: number) => V) {
  const made: Partial<Record<N, V>> = {};
  names.forEach((name, i) => (made[name] = value(name, i)));
  return made as Record<N, V>;
}

/** Runs a kernel on the current backend. The caller owns the outputs. */
export function call<I extends string, O extends string, A extends Attributes>(
  definition: Kernel<I, O, A>,
  inputs: Readonly<Record<I, Tensor>>,
  attributes: A,
): Record<O, Tensor> {
  definition.shapes(
    record(definition.inputs, (name) => inputs[name].shape),
    attributes,
  );
  // tfjs's type forgets that there may be no such kernel.
  const outputs = Boolean(getKernel(definition.name, getBackend()))
    ? runRegistered(definition, inputs, attributes)
    : tidy(() => definition.composite(inputs, attributes));
  for (const name of definition.consumes ?? []) inputs[name].dispose();
  return outputs;
}

function runRegistered<I extends string, O extends string, A extends Attributes>(
  { name, outputs }: Kernel<I, O, A>,
  inputs: Readonly<Record<I, Tensor>>,
  attributes: A,
): Record<O, Tensor> {
  // tfjs types attributes as mutable; it never writes them.
  const made = engine().runKernel(name, inputs, attributes);
  const list = Array.isArray(made) ? made : [made];
  return record(outputs, (_output, i) => list[i]!);
}

/** Throws unless `actual` is `expected`, in the words of whoever passed it. */
export function expectShape(kernelName: string, input: string, actual: Shape, expected: Shape) {
  if (actual.length !== expected.length || actual.some((extent, i) => extent !== expected[i])) {
    throw new Error(
      `${kernelName}: ${input} is [${actual.join(", ")}], must be [${expected.join(", ")}]`,
    );
  }
}

export const sizeOf = (shape: Shape): number => shape.reduce((a, b) => a * b, 1);

/** The last extent of a shape, which layers call its width. */
export function widthOf(kernelName: string, input: string, shape: Shape): number {
  const width = shape.at(-1);
  if (width === undefined) throw new Error(`${kernelName}: ${input} is a scalar, must have rows`);
  return width;
}

/** `x` as a matrix of its rows. A view: nothing is copied. */
export const asRows = (x: Tensor): Tensor2D => reshape(x, [-1, x.shape.at(-1) ?? 1]);
