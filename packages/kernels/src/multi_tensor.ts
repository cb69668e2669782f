// Kernels over lists of tensors, such as all parameters of a model: one call does what would be a call
// for each tensor, as PyTorch's foreach and Apex's multi_tensor_apply do.

import { engine, tidy, type NamedTensorMap, type Tensor } from "@tensorflow/tfjs-core";
import { isRegistered, type Attributes, type Shape } from "./kernel.js";

type Lists<L extends string, I extends string, V> = Readonly<Record<L, readonly V[]>> &
  Readonly<Record<I, V>>;

/**
 * `L`, `I`: names of inputs that are lists, and of inputs that are one tensor. `M`, `O`: the same of
 * outputs. All lists of a call have one length.
 */
export interface MultiTensorKernel<
  L extends string,
  I extends string,
  M extends string,
  O extends string,
  A extends Attributes,
> {
  /** Unique among all kernels of a tfjs backend. */
  readonly name: string;
  readonly lists: readonly L[];
  readonly inputs: readonly I[];
  readonly outputLists: readonly M[];
  readonly outputs: readonly O[];
  /** Lists whose tensors the call consumes: a backend may write outputs over them. */
  readonly consumes?: readonly L[];
  /** Output shapes from input shapes. Throws, naming the input, where they do not fit. */
  shapes(inputs: Lists<L, I, Shape>, attributes: A): Lists<M, O, Shape>;
  /** The definition, in ops that every tfjs backend has. */
  composite(inputs: Lists<L, I, Tensor>, attributes: A): Lists<M, O, Tensor>;
}

/** Any such kernel, for code that handles all of them alike. */
export interface AnyMultiTensorKernel extends Pick<
  MultiTensorKernel<string, string, string, string, Attributes>,
  Names | "consumes"
> {
  shapes(inputs: AnyLists<Shape>, attributes: Attributes): AnyLists<Shape>;
  composite(inputs: AnyLists<Tensor>, attributes: Attributes): AnyLists<Tensor>;
}

type Names = "name" | "lists" | "inputs" | "outputLists" | "outputs";
type AnyLists<V> = Readonly<Record<string, V | readonly V[]>>;

/** Runs a kernel over lists on the current backend. The caller owns the outputs. */
export function callMultiTensor<
  L extends string,
  I extends string,
  M extends string,
  O extends string,
  A extends Attributes,
>(
  definition: MultiTensorKernel<L, I, M, O, A>,
  inputs: Lists<L, I, Tensor>,
  attributes: A,
): Lists<M, O, Tensor> {
  const shapes = definition.shapes(listShapes(definition, inputs), attributes);
  const outputs = isRegistered(definition)
    ? runRegistered(definition, inputs, shapes, attributes)
    : tidy(() => definition.composite(inputs, attributes));
  for (const name of definition.consumes ?? []) {
    for (const tensor of inputs[name]) tensor.dispose();
  }
  return outputs;
}

/**
 * The shapes of lists of tensors that stand side by side, one entry for each parameter.
 * @throws Error where the lists have different lengths.
 */
export function listShapes<L extends string, I extends string>(
  { name, lists, inputs }: { name: string; lists: readonly L[]; inputs: readonly I[] },
  given: Lists<L, I, { readonly shape: Shape }>,
): Lists<L, I, Shape> {
  const shapes: Partial<Record<L | I, Shape | readonly Shape[]>> = {};
  const length = lists.length === 0 ? 0 : given[lists[0]!].length;
  for (const list of lists) {
    const tensors: readonly { readonly shape: Shape }[] = given[list];
    if (tensors.length !== length) {
      throw new Error(`${name}: ${list} has ${tensors.length} tensors, must have ${length}`);
    }
    shapes[list] = tensors.map(({ shape }) => shape);
  }
  for (const input of inputs) shapes[input] = given[input].shape;
  return shapes as Lists<L, I, Shape>;
}

function runRegistered<M extends string, O extends string>(
  {
    name,
    outputLists,
    outputs,
  }: { name: string; outputLists: readonly M[]; outputs: readonly O[] },
  inputs: object,
  shapes: Lists<M, O, Shape>,
  attributes: Attributes,
): Lists<M, O, Tensor> {
  // tfjs hands inputs on as they are: its own AddN takes a list in their place.
  const made = engine().runKernel(name, inputs as NamedTensorMap, attributes);
  const flat = Array.isArray(made) ? made : [made];
  const named: Partial<Record<M | O, Tensor | readonly Tensor[]>> = {};
  let first = 0;
  for (const list of outputLists) {
    const length = shapes[list].length;
    named[list] = flat.slice(first, first + length);
    first += length;
  }
  outputs.forEach((output, i) => (named[output] = flat[first + i]!));
  return named as Lists<M, O, Tensor>;
}
