// The tfjs backends that can compute a training run, each loaded only where it is asked for.

import { enableProdMode, setBackend } from "@tensorflow/tfjs-core";
import { UserError } from "@tessera/config";
import { isAvailable, loadNative } from "./register.js";
import type { ThreadEnvironment } from "./threads.js";

export const backendNames = ["native", "wasm", "cpu", "tensorflow"] as const;
export type BackendName = (typeof backendNames)[number];

type Load = (environment: ThreadEnvironment) => Promise<unknown>;

const load: Readonly<Record<BackendName, Load>> = {
  native: loadNativeEngine,
  wasm: () => import("@tensorflow/tfjs-backend-wasm"),
  cpu: () => import("@tensorflow/tfjs-backend-cpu"),
  tensorflow: loadTensorflow,
};

/** The engine that is used where none is named: native where it is built. */
export const defaultBackend = (): BackendName => (isAvailable() ? "native" : "wasm");

/**
 * Loads `name`, with the threads that `environment` grants, and makes it the one that computes. Throws a
 * UserError where it is not there.
 */
export async function chooseBackend(
  name: BackendName,
  environment: ThreadEnvironment,
): Promise<void> {
  enableProdMode(); // else tfjs advises to install another backend
  await load[name](environment);
  if (!(await setBackend(name))) {
    throw new UserError(`--backend ${name}: does not start on this machine; try --backend wasm`);
  }
}

function loadNativeEngine(environment: ThreadEnvironment): Promise<void> {
  if (!loadNative(environment)) {
    throw new UserError(
      "--backend native: is not built on this machine; npm run setup says what it needs",
    );
  }
  return Promise.resolve();
}

/** TensorFlow's own library, with a GPU if the user installed that. */
async function loadTensorflow(): Promise<unknown> {
  const reasons: string[] = [];
  for (const name of ["@tensorflow/tfjs-node-gpu", "@tensorflow/tfjs-node"]) {
    try {
      return (await import(name)) as unknown;
    } catch (error) {
      const [line] = (error instanceof Error ? error.message : String(error)).split("\n");
      if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND")
        reasons.push(line ?? "");
    }
  }
  const why = reasons.length === 0 ? "is not installed" : `does not load (${reasons.join("; ")})`;
  throw new UserError(
    `--backend tensorflow: @tensorflow/tfjs-node ${why}; ` +
      "npm install @tensorflow/tfjs-node-gpu, or @tensorflow/tfjs-node without a GPU",
  );
}
