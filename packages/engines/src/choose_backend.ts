// The registry of engines, and the one place that chooses among them.

import { enableProdMode, setBackend } from "@tensorflow/tfjs-core";
import { UserError } from "@tessera/config";
import type { ThreadEnvironment } from "@tessera/kernels-native";
import { cpu } from "./cpu.js";
import type { Engine } from "./engine.js";
import { native } from "./native.js";
import { tensorflow } from "./tensorflow.js";
import { wasm } from "./wasm.js";

/** By the name of the backend in tfjs, the fastest first. A new engine is a file and a line here. */
const ENGINES = { tensorflow, native, wasm, cpu } satisfies Readonly<Record<string, Engine>>;

/** The name of a tfjs backend that programs can choose by `--backend`. */
export type BackendName = keyof typeof ENGINES;

/** All names of backends, the fastest first. */
export const backendNames = Object.keys(ENGINES) as readonly BackendName[];

/**
 * The first that can be the default on this machine: TensorFlow where it sees a GPU, native where it is built, else wasm.
 * `environment` grants threads. Default: `process.env`.
 */
export const defaultBackend = (environment: ThreadEnvironment = process.env): BackendName =>
  backendNames.find((name) => ENGINES[name].isDefault(environment))!;

/** `name`, which is loaded, and what of the machine it computes with: "native, threads of each rank: 4". */
export function describeBackend(name: BackendName, environment: ThreadEnvironment): string {
  const engine: Engine = ENGINES[name];
  return [name, ...(engine.describe === undefined ? [] : [engine.describe(environment)])].join(
    ", ",
  );
}

/**
 * Loads `name`, with the threads that `environment` grants, and makes it the backend of this process.
 * `flag` is what the user chose it by. Default: `"--backend"`.
 *
 * @throws UserError where it is not installed, not built, or does not start.
 */
export async function chooseBackend(
  name: BackendName,
  environment: ThreadEnvironment,
  flag = "--backend",
): Promise<void> {
  enableProdMode(); // else tfjs advises to install another backend
  const reason = await ENGINES[name].load(environment);
  if (reason !== null) throw new UserError(`${flag} ${name}: ${reason}`);
  if (!(await setBackend(name))) {
    throw new UserError(`${flag} ${name}: does not start on this machine; try ${flag} wasm`);
  }
}
