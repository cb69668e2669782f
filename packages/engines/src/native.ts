// The C++ kernels of @tessera/kernels-native.

import { isAvailable, loadNative, whyUnavailable } from "@tessera/kernels-native";
import type { Engine } from "./engine.js";
import { describeThreads } from "./threads.js";

const REMEDY = "with @tessera/cli installed, npx tessera build-engines builds it";

export const native: Engine = {
  isDefault: isAvailable,
  load: (environment) =>
    Promise.resolve(loadNative(environment) ? null : `${whyUnavailable()!}; ${REMEDY}`),
  describe: describeThreads,
};

/** A line on why `backend` computes and not the native engine, for those who would have it. None where it is there. */
export function explainFallback(backend: string): readonly string[] {
  const missing = backend === "wasm" ? whyUnavailable() : null;
  if (missing === null) return [];
  return [`native engine: ${missing}, so the slower wasm computes; ${REMEDY}`];
}
