// Puts a backend and its kernels into tfjs's global registries: the only place that does.

import {
  getKernelsForBackend,
  registerBackend,
  registerKernel,
  type KernelConfig,
  type TensorInfo,
} from "@tensorflow/tfjs-core";
import * as contracts from "@tessera/kernels";
import {
  listShapes,
  presentOutputs,
  shapesOf,
  type AnyKernel,
  type AnyMultiTensorKernel,
  type Attributes,
  type Shape,
} from "@tessera/kernels/contract";
import type { NativeBackend, OutputInfo } from "./backend.js";
import type { Plan, PlannedInputs, Planner } from "./plan.js";
import { standard } from "./standard.js";

/** Better than every backend that computes in JavaScript or WebAssembly. */
const PRIORITY = 4;

type Definition = AnyKernel | AnyMultiTensorKernel;

const isDefinition = (value: unknown): value is Definition =>
  typeof value === "object" && value !== null && "composite" in value;

/** The kernels that the kernels package defines. */
export const defined: readonly Definition[] =
  Object.values<unknown>(contracts).filter(isDefinition);

const asFloats = (shape: Shape): OutputInfo => ({ shape, dtype: "float32" });

/** The outputs of a call, as `NativeBackend.run` takes them. */
function outputsOf(definition: AnyKernel, inputs: PlannedInputs, attributes: Attributes) {
  const given = inputs as Readonly<Record<string, TensorInfo>>;
  const shapes = definition.shapes(shapesOf(definition, given), attributes);
  return presentOutputs(definition, shapes).map((name) => asFloats(shapes[name]!));
}

type ListInputs = Readonly<Record<string, readonly TensorInfo[]>> &
  Readonly<Record<string, TensorInfo>>;

/** The same of a kernel over lists: those of its lists come first. */
function listOutputsOf(
  definition: AnyMultiTensorKernel,
  inputs: PlannedInputs,
  attributes: Attributes,
): OutputInfo[] {
  const shapes = definition.shapes(listShapes(definition, inputs as ListInputs), attributes);
  const lists = definition.outputLists.flatMap((name) => shapes[name] as readonly Shape[]);
  const single = definition.outputs.map((name) => shapes[name] as Shape);
  return [...lists, ...single].map(asFloats);
}

/** A kernel of ours: shapes by its contract, numbers by the addon. */
const ofContract = (backendName: string, definition: Definition): KernelConfig => ({
  kernelName: definition.name,
  backendName,
  kernelFunc({ inputs, attrs, backend }) {
    const attributes = (attrs ?? {}) as unknown as Attributes;
    const outputs =
      "lists" in definition
        ? listOutputsOf(definition, inputs, attributes)
        : outputsOf(definition, inputs, attributes);
    return (backend as NativeBackend).run(definition.name, inputs, outputs, attributes);
  },
});

/** A kernel of tfjs: native where `plan` finds a way, else as tfjs's CPU backend does it. */
const ofStandard = (backendName: string, fallback: KernelConfig, plan: Planner): KernelConfig => ({
  ...fallback,
  backendName,
  kernelFunc(call) {
    const planned = plan(call.inputs, call.attrs ?? {});
    if (planned === null) return fallback.kernelFunc(call);
    const runPlan = ({ kernel = fallback.kernelName, inputs, y, viewedAs, attributes }: Plan) => {
      const output = { shape: viewedAs ?? y.shape, dtype: y.dtype };
      const [made] = (call.backend as NativeBackend).run(kernel, inputs, [output], attributes);
      return viewedAs === undefined ? made! : { ...made!, shape: [...y.shape] };
    };
    return isList(planned) ? planned.map(runPlan) : runPlan(planned);
  },
});

const isList = (planned: Plan | readonly Plan[]): planned is readonly Plan[] =>
  Array.isArray(planned);

/**
 * Registers `backend` under `name`, with the kernels of its addon and those of tfjs's CPU backend for the
 * rest. Returns whether tfjs had no backend of that name.
 */
export function registerNativeBackend(name: string, backend: NativeBackend): boolean {
  for (const config of getKernelsForBackend("cpu")) {
    const plan = standard[config.kernelName];
    registerKernel(
      plan === undefined ? { ...config, backendName: name } : ofStandard(name, config, plan),
    );
  }
  for (const definition of defined) {
    if (backend.contracts.has(definition.name)) registerKernel(ofContract(name, definition));
  }
  return registerBackend(name, () => backend, PRIORITY);
}
