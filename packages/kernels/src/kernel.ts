// The contract of a kernel, stated once: its names, its shapes, and a composite of plain tfjs ops
// that defines its numbers. A backend that registers a kernel of the same name runs it instead;
// on every other backend the composite runs.

import {
  engine,
  getBackend,
  getKernel,
  reshape,
  tidy,
  type NamedTensorMap,
  type Tensor,
  type Tensor2D,
} from "@tensorflow/tfjs-core";

/** The sizes of a tensor's dimensions, the outermost first. */
export type Shape = readonly number[];
/** A constant of a call of a kernel: what is no tensor. */
export type Attribute = number | boolean | string | readonly number[];
/** The constants of a call, by name. */
export type Attributes = Readonly<Record<string, Attribute>>;

export type NoAttributes = Readonly<Record<string, never>>;

/** One value for each of `R`, and perhaps one for each of `Q`. */
export type Named<R extends string, Q extends string, V> = Readonly<Record<R, V>> &
  Readonly<Partial<Record<Q, V | undefined>>>;

interface InputNames<I extends string, J extends string> {
  readonly inputs: readonly I[];
  readonly optionalInputs?: readonly J[];
}

interface OutputNames<O extends string, P extends string> {
  readonly outputs: readonly O[];
  readonly optionalOutputs?: readonly P[];
}

/**
 * `I`, `O`: names of inputs and outputs. `A`: attributes, which the host knows. `J`: inputs that a
 * call may omit. `P`: outputs that a call may lack, such as the gradient of an omitted input.
 */
export interface Kernel<
  I extends string,
  O extends string,
  A extends Attributes,
  J extends string = never,
  P extends string = never,
>
  extends InputNames<I, J>, OutputNames<O, P> {
  /** Unique among all kernels of a tfjs backend. */
  readonly name: string;
  /**
   * Inputs that the call consumes: a backend may write an output over them, so the caller must
   * hold no other reference that it expects unchanged, and must not use them afterwards.
   */
  readonly consumes?: readonly I[];
  /**
   * Shapes of the outputs that a call with these inputs has. Throws, naming the input, where input
   * shapes do not fit.
   */
  shapes(inputs: Named<I, J, Shape>, attributes: A): Named<O, NoInfer<P>, Shape>;
  /** The definition, in ops that every tfjs backend has. */
  composite(inputs: Named<I, J, Tensor>, attributes: A): Named<O, NoInfer<P>, Tensor>;
}

/** Any kernel, for code that handles all of them alike. */
export type AnyKernel = Kernel<string, string, Attributes, string, string>;

/** Infers the names, so that `shapes` and `composite` cannot misspell them. */
export const kernel = <
  const I extends string,
  const O extends string,
  A extends Attributes,
  const J extends string = never,
  const P extends string = never,
>(
  definition: Kernel<I, O, A, J, P>,
): Kernel<I, O, A, J, P> => definition;

/** Runs a kernel on the current backend. The caller owns the outputs. */
export function call<
  I extends string,
  O extends string,
  A extends Attributes,
  J extends string = never,
  P extends string = never,
>(
  definition: Kernel<I, O, A, J, P>,
  inputs: Named<I, J, Tensor>,
  attributes: A,
): Named<O, P, Tensor> {
  const shapes = definition.shapes(shapesOf(definition, inputs), attributes);
  const outputs = isRegistered(definition)
    ? runRegistered(definition, inputs, presentOutputs(definition, shapes), attributes)
    : tidy(() => definition.composite(inputs, attributes));
  for (const name of definition.consumes ?? []) inputs[name].dispose();
  return outputs;
}

/** Whether the current backend has a kernel of this name. */
export const isRegistered = ({ name }: { readonly name: string }): boolean =>
  // tfjs's type forgets that there may be no such kernel.
  Boolean(getKernel(name, getBackend()));

/** The shapes of the inputs that are there. */
export function shapesOf<I extends string, J extends string>(
  { inputs: required, optionalInputs = [] }: InputNames<I, J>,
  inputs: Named<I, J, { readonly shape: Shape }>,
): Named<I, J, Shape> {
  const shapes: Partial<Record<I | J, Shape>> = {};
  for (const name of required) shapes[name] = inputs[name].shape;
  for (const name of optionalInputs) {
    const input = inputs[name] as { readonly shape: Shape } | undefined;
    if (input) shapes[name] = input.shape;
  }
  return shapes as Named<I, J, Shape>;
}

/** The names of the outputs that a call has, in their order. */
export const presentOutputs = <O extends string, P extends string>(
  { outputs, optionalOutputs = [] }: OutputNames<O, P>,
  shapes: Named<O, P, Shape>,
): readonly (O | P)[] => [...outputs, ...optionalOutputs.filter((name) => Boolean(shapes[name]))];

function runRegistered<O extends string, P extends string>(
  { name }: { readonly name: string },
  inputs: NamedTensorMap,
  names: readonly (O | P)[],
  attributes: Attributes,
): Named<O, P, Tensor> {
  // tfjs types attributes as mutable; it never writes them.
  const made = engine().runKernel(name, inputs, attributes);
  const list = Array.isArray(made) ? made : [made];
  const outputs: Partial<Record<O | P, Tensor>> = {};
  names.forEach((output, i) => (outputs[output] = list[i]!));
  return outputs as Named<O, P, Tensor>;
}

/** Throws unless `actual` is `expected`, in the words of whoever passed it. */
export function expectShape(kernelName: string, input: string, actual: Shape, expected: Shape) {
  if (actual.length !== expected.length || actual.some((extent, i) => extent !== expected[i])) {
    throw new Error(
      `${kernelName}: ${input} is [${actual.join(", ")}], must be [${expected.join(", ")}]`,
    );
  }
}

/** Number of elements. */
export const sizeOf = (shape: Shape): number => shape.reduce((a, b) => a * b, 1);

/** The last extent of a shape, which layers call its width. */
export function widthOf(kernelName: string, input: string, shape: Shape): number {
  const width = shape.at(-1);
  if (width === undefined) throw new Error(`${kernelName}: ${input} is a scalar, must have rows`);
  return width;
}

/** `x` as a matrix of its rows. A view: nothing is copied. */
export const asRows = (x: Tensor): Tensor2D => reshape(x, [-1, x.shape.at(-1) ?? 1]);
