// The kernels of @tessera/kernels: those that the composite defines well enough are traced, and compiled in one.

import type { Tensor } from "@tensorflow/tfjs-core";
import { engine, tidy, type TensorInfo } from "@tensorflow/tfjs-core";
import {
  presentOutputs,
  shapesOf,
  sizeOf,
  type AnyKernel,
  type Attributes,
  type Shape,
} from "@tessera/kernels/contract";
import { isFloatStorage, type FloatStorage } from "@tessera/kernels/memory";
import type { TensorFlowBackend } from "./backend.js";
import { TYPES } from "./binding.js";
import type { Graph, Value } from "./graph.js";
import { typeOf } from "./tensor_data.js";

/** A call of a kernel of ours. */
export interface KernelCall {
  readonly backend: TensorFlowBackend;
  readonly inputs: Readonly<Record<string, TensorInfo>>;
  readonly attributes: Attributes;
  /** Of the outputs that the call has, in their order. */
  readonly shapes: readonly Shape[];
}

/** Outputs that are fp32 whatever the inputs are. The others have the storage of the first float input. */
const FP32_OUTPUTS: Readonly<Record<string, readonly string[]>> = {
  TesseraCausalAttention: ["logSumExp"],
  TesseraCrossEntropy: ["loss"],
  TesseraCrossEntropyGradient: ["loss", "dTable", "dBias"],
  TesseraCrossEntropyInputGradient: ["loss"],
  TesseraEmbed: ["y"],
  TesseraEmbedGradient: ["dTable"],
  TesseraLayerNorm: ["mean", "rstd"],
  TesseraLayerNormGradient: ["dGain", "dBias"],
  TesseraRmsNorm: ["rstd"],
  TesseraRmsNormGradient: ["dGain"],
  TesseraRoundSum: ["total"],
  TesseraSumOfSquares: ["total"],
  TesseraSumRows: ["dBias"],
  TesseraVocabularySlice: ["exps", "stats"],
};

const isHalf = ({ type }: Value): boolean => type === TYPES.bf16 || type === TYPES.fp16;

/** Writes `body` with 16-bit inputs as fp32, and its outputs in the storage that is asked for. */
export function widened(
  graph: Graph,
  inputs: readonly (Value | undefined)[],
  storages: readonly (FloatStorage | null)[],
  body: (inputs: readonly (Value | undefined)[]) => readonly Value[],
): readonly Value[] {
  const wide = inputs.map((x) => (x !== undefined && isHalf(x) ? graph.cast(x, TYPES.fp32) : x));
  return body(wide).map((y, i) => {
    const storage = storages[i];
    return y.type === TYPES.fp32 && storage ? graph.cast(y, typeOf(storage)) : y;
  });
}

/** The storage of outputs that follow the inputs: that of the first float input. */
export function followedStorage(
  backend: TensorFlowBackend,
  inputs: readonly (TensorInfo | undefined)[],
  { storage }: Attributes = {},
): FloatStorage {
  if (storage !== undefined) return storage as FloatStorage;
  for (const input of inputs) {
    const found = input && backend.storageOf(input);
    if (found && isFloatStorage(found)) return found;
  }
  return "fp32";
}

const keyOf = (name: string, attributes: object): string => `${name}${JSON.stringify(attributes)}`;

/** Tensors for values of a graph, which the scope that is open disposes. */
const tensorOf = (backend: TensorFlowBackend, value: Value): Tensor =>
  engine().makeTensorFromTensorInfo(backend.hold(value));

/** Rows and width of what has more dimensions. */
export const matrixOf = (shape: Shape): Shape => [sizeOf(shape.slice(0, -1)), shape.at(-1) ?? 1];

/** Runs a kernel as its composite defines it, in one program. */
export function runComposite(
  definition: AnyKernel,
  { backend, inputs, attributes, shapes }: KernelCall,
): TensorInfo[] {
  const names = [...definition.inputs, ...(definition.optionalInputs ?? [])];
  const given = names.map((name) => inputs[name] ?? undefined);
  const outputs = presentOutputs(
    definition,
    definition.shapes(shapesOf(definition, inputs), attributes),
  );
  const followed = followedStorage(backend, given, attributes);
  const isWide = (name: string) => FP32_OUTPUTS[definition.name]?.includes(name) ?? false;
  const storages = outputs.map((name) => (isWide(name) ? null : followed));
  const compose = (graph: Graph, values: readonly (Value | undefined)[]): readonly Value[] =>
    backend.traceInto(graph, () => {
      const traced: Value[] = [];
      tidy(() => {
        const tensors = names.flatMap((name, i) => {
          const value = values[i];
          return value === undefined ? [] : [[name, tensorOf(backend, value)] as const];
        });
        const made = definition.composite(Object.fromEntries(tensors), attributes);
        for (const name of outputs) traced.push(backend.graphValueOf(graph, made[name]!));
      });
      return traced;
    });
  return backend.run({
    key: keyOf(definition.name, attributes),
    inputs: given,
    // As matrices, which products take as they are.
    emit: (graph, values) =>
      widened(graph, values, storages, (wide) => compose(graph, wide)).map((y) =>
        y.shape.length > 2 ? graph.reshape(y, matrixOf(y.shape)) : y,
      ),
    shapes,
  });
}

/** Shapes of the outputs of a call, in their order. */
export function outputShapes(
  definition: AnyKernel,
  inputs: Readonly<Record<string, TensorInfo>>,
  attributes: Attributes,
): readonly Shape[] {
  const shapes = definition.shapes(shapesOf(definition, inputs), attributes);
  return presentOutputs(definition, shapes).map((name) => shapes[name]!);
}
