// Puts the backend and its kernels into tfjs's registries: the only place that does.

import {
  registerBackend,
  registerKernel,
  util,
  type KernelFunc,
  type TensorInfo,
} from "@tensorflow/tfjs-core";
import * as contracts from "@tessera/kernels";
import type { AnyKernel, Attributes, Shape } from "@tessera/kernels/contract";
import type { TensorFlowBackend } from "./backend.js";
import {
  followedStorage,
  outputShapes,
  runComposite,
  widened,
  type KernelCall,
} from "./contract.js";
import { causalAttention } from "./kernels/attention.js";
import { causalAttentionGradient } from "./kernels/attention_gradient.js";
import { cachedAttention } from "./kernels/cached_attention.js";
import { crossEntropy, crossEntropyGradient, vocabularySlice } from "./kernels/cross_entropy.js";
import { dropout } from "./kernels/dropout.js";
import { addEmbedGradient, embedGradient } from "./kernels/embedding.js";
import { put, rotary } from "./kernels/moving.js";
import {
  accumulateAll,
  adamStep,
  sgdStep,
  roundSum,
  sumOfSquares,
  type ListInputs,
} from "./kernels/optimizer.js";
import { addWeightGradient, linear, product, sumRows, weightGradient } from "./kernels/products.js";
import { standard } from "./standard.js";
import { typeOf } from "./tensor_data.js";

/** The name of the backend in tfjs. */
export const BACKEND = "tensorflow";

/** Better than what computes in JavaScript or WebAssembly. */
const PRIORITY = 4;

/** In the storage that is asked for. */
function convert({ backend, inputs, attributes }: KernelCall): TensorInfo[] {
  const { x } = inputs;
  const storage = followedStorage(backend, [x], attributes);
  if (backend.storageOf(x!) === storage) return [backend.view(x!, x!.shape)];
  const type = typeOf(storage);
  const emit: Parameters<TensorFlowBackend["run"]>[0]["emit"] = (graph, [y]) => [
    graph.cast(y!, type),
  ];
  return backend.run({ key: `convert${type}`, inputs: [x!], emit, shapes: [x!.shape] });
}

/** Random weights, made once, by the host, which keeps no copy of them. */
function randomNormal({ backend, attributes, shapes }: KernelCall): TensorInfo[] {
  const made = contracts.randomNormal.composite({}, attributes as never).y;
  const uploaded = backend.uploadValues(made.dataSync<"float32">(), shapes[0]!, "fp32");
  made.dispose();
  return [uploaded];
}

/** Kernels that are written by hand: products, what would take too much memory, and what changes from call to call. */
const OWN: Readonly<Record<string, (call: KernelCall) => TensorInfo[]>> = {
  TesseraAddEmbedGradient: addEmbedGradient,
  TesseraAddWeightGradient: addWeightGradient,
  TesseraCachedAttention: cachedAttention,
  TesseraCausalAttention: causalAttention,
  TesseraCausalAttentionGradient: causalAttentionGradient,
  TesseraConvert: convert,
  TesseraCrossEntropy: crossEntropy,
  TesseraCrossEntropyGradient: crossEntropyGradient,
  TesseraDropout: dropout,
  TesseraEmbedGradient: embedGradient,
  TesseraLinear: linear,
  TesseraProduct: product,
  TesseraPut: put,
  TesseraRandomNormal: randomNormal,
  TesseraRotary: rotary,
  TesseraRoundSum: roundSum,
  TesseraSumRows: sumRows,
  TesseraVocabularySlice: vocabularySlice,
  TesseraWeightGradient: weightGradient,
};

type OwnMultiTensor = (
  backend: TensorFlowBackend,
  inputs: ListInputs,
  attributes: Attributes,
) => TensorInfo[];

/** Over lists: one tensor after the other, as the memory of the last is free for the next. */
const OWN_MULTI_TENSOR: Readonly<Record<string, OwnMultiTensor>> = {
  TesseraAccumulateAll: accumulateAll,
  TesseraAdamStep: adamStep,
  TesseraSgdStep: sgdStep,
  TesseraSumOfSquares: sumOfSquares,
};

const isKernel = (value: unknown): value is AnyKernel =>
  typeof value === "object" && value !== null && "composite" in value && !("lists" in value);

/** The kernels that the kernels package defines, but for those over lists. */
const defined: readonly AnyKernel[] = Object.values<unknown>(contracts).filter(isKernel);

type Given = Readonly<Record<string, TensorInfo>>;

function ofContract(backend: TensorFlowBackend, definition: AnyKernel): KernelFunc {
  return ({ inputs, attrs }) => {
    const attributes = (attrs ?? {}) as unknown as Attributes;
    const given = inputs as Given;
    const shapes = outputShapes(definition, given, attributes);
    const call = { backend, inputs: given, attributes, shapes };
    return OWN[definition.name]?.(call) ?? runComposite(definition, call);
  };
}

/** tfjs's own kernels that only see their input under another shape. */
const views: Readonly<
  Record<string, (x: TensorInfo, attributes: { shape?: Shape; dim?: number }) => Shape>
> = {
  Identity: ({ shape }) => shape,
  Reshape: ({ shape: from }, { shape = [] }) =>
    util.inferFromImplicitShape([...shape], util.sizeFromShape(from)),
  ExpandDims: ({ shape }, { dim = 0 }) =>
    shape.toSpliced(dim < 0 ? shape.length + 1 + dim : dim, 0, 1),
};

const ofView =
  (backend: TensorFlowBackend, shapeOf: (typeof views)[string]): KernelFunc =>
  ({ inputs, attrs }) => {
    const x = (inputs["x"] ?? inputs["input"])!;
    return backend.view(x, shapeOf(x, attrs ?? {}));
  };

function ofStandard(backend: TensorFlowBackend, name: string): KernelFunc {
  const emit = standard[name]!;
  return ({ inputs, attrs }) => {
    const names = Object.keys(inputs).filter((key) => (inputs[key] as TensorInfo | null) != null);
    const given = names.map((key) => inputs[key]!);
    const attributes = (attrs ?? {}) as Readonly<Record<string, unknown>>;
    const storage = followedStorage(backend, given);
    const followed = storage === "fp32" ? [] : given.map(() => storage);
    const made = backend.run({
      key: `${name}${names.join()}${JSON.stringify(attributes)}`,
      inputs: given,
      emit: (graph, values) =>
        widened(graph, values, followed, (wide) =>
          emit({
            graph,
            inputs: Object.fromEntries(names.map((key, i) => [key, wide[i]!])),
            attributes,
          }),
        ),
    });
    return made.length === 1 && name !== "Unpack" && name !== "SplitV" ? made[0]! : made;
  };
}

/** A cast to the dtype that is there changes nothing. */
const ofCast =
  (backend: TensorFlowBackend): KernelFunc =>
  (call) => {
    const x = call.inputs["x"]!;
    const { dtype } = call.attrs as unknown as { dtype: string };
    return dtype === x.dtype ? backend.view(x, x.shape) : ofStandard(backend, "Cast")(call);
  };

/** Registers `backend`, with tfjs's kernels and ours. Returns whether tfjs had no backend of that name. */
export function registerTensorFlow(backend: TensorFlowBackend): boolean {
  const register = (kernelName: string, kernelFunc: KernelFunc): void =>
    registerKernel({ kernelName, backendName: BACKEND, kernelFunc });
  for (const name of Object.keys(standard)) {
    register(name, name === "Cast" ? ofCast(backend) : ofStandard(backend, name));
  }
  for (const [name, shapeOf] of Object.entries(views)) register(name, ofView(backend, shapeOf));
  for (const definition of defined) register(definition.name, ofContract(backend, definition));
  for (const [name, own] of Object.entries(OWN_MULTI_TENSOR)) {
    register(name, ({ inputs, attrs }) =>
      own(backend, inputs as unknown as ListInputs, (attrs ?? {}) as unknown as Attributes),
    );
  }
  return registerBackend(BACKEND, () => backend, PRIORITY);
}
