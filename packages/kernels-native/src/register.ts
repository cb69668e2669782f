// Puts the backend and its kernels into tfjs's global registries: the only place that does.

import {
  getKernelsForBackend,
  registerBackend,
  registerKernel,
  type KernelConfig,
  type NamedTensorInfoMap,
  type TensorInfo,
} from "@tensorflow/tfjs-core";
import * as contracts from "@tessera/kernels";
import type { Attributes, Kernel } from "@tessera/kernels";
import { findAddon, loadAddon } from "./addon.js";
import { NativeBackend, type Inputs } from "./backend.js";
import type { Planner } from "./plan.js";
import { standard } from "./standard.js";
import type { ThreadEnvironment } from "./threads.js";

export const BACKEND = "native";

/** Better than every backend that computes in JavaScript or WebAssembly. */
const PRIORITY = 4;

type AnyKernel = Kernel<string, string, Attributes>;

/** The kernels that the kernels package defines. */
export const defined: readonly AnyKernel[] = Object.values(contracts).filter(
  (value): value is AnyKernel & typeof value => typeof value === "object",
);

const asBackend = (backend: unknown): NativeBackend => backend as NativeBackend;

/** A kernel of ours: shapes by its contract, numbers by the addon. */
const ofContract = (definition: AnyKernel): KernelConfig => ({
  kernelName: definition.name,
  backendName: BACKEND,
  kernelFunc({ inputs, attrs, backend }) {
    const given = inputs as Inputs;
    const attributes = attrs as unknown as Attributes;
    const inputShapes = Object.fromEntries(
      definition.inputs.map((name) => [name, given[name]!.shape]),
    );
    const shapes = definition.shapes(inputShapes, attributes);
    const outputs = Object.fromEntries(
      definition.outputs.map((name) => [name, { shape: shapes[name]!, dtype: "float32" as const }]),
    );
    return asBackend(backend).run(definition.name, given, outputs, attributes);
  },
});

/** A kernel of tfjs: native where `plan` finds a way, else as tfjs's CPU backend does it. */
const ofStandard = (fallback: KernelConfig, plan: Planner): KernelConfig => ({
  ...fallback,
  backendName: BACKEND,
  kernelFunc(call) {
    const inputs = presentOf(call.inputs);
    const planned = plan(inputs, call.attrs ?? {});
    if (planned === null) return fallback.kernelFunc(call);
    const { kernel = fallback.kernelName, y, seenAs = y.shape, attributes } = planned;
    const outputs = { y: { ...y, shape: seenAs } };
    const [made] = asBackend(call.backend).run(kernel, planned.inputs, outputs, attributes);
    return { ...made!, shape: [...y.shape] };
  },
});

const presentOf = (inputs: NamedTensorInfoMap): Inputs =>
  Object.fromEntries(
    Object.entries(inputs).filter((entry): entry is [string, TensorInfo] => entry[1] != null),
  );

function registerKernels(backend: NativeBackend): void {
  for (const config of getKernelsForBackend("cpu")) {
    const plan = standard[config.kernelName];
    registerKernel(
      plan === undefined ? { ...config, backendName: BACKEND } : ofStandard(config, plan),
    );
  }
  for (const definition of defined) {
    if (backend.contracts.has(definition.name)) registerKernel(ofContract(definition));
  }
}

/** Whether `loadNative` would find an addon that this machine can run. */
export const isAvailable = (): boolean => findAddon() !== null;

/**
 * Registers the backend `native` with the threads that `environment` (`process.env`) grants, and
 * returns true; returns false where no addon is built, and leaves tfjs as it was. `file` is the
 * addon, where it is not the one that `isAvailable` speaks of.
 */
export function loadNative(environment: ThreadEnvironment, file = findAddon()): boolean {
  if (file === null) return false;
  const backend = new NativeBackend(loadAddon(file, environment));
  registerKernels(backend);
  return registerBackend(BACKEND, () => backend, PRIORITY);
}
