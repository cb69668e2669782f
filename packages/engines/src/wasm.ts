// tfjs's WebAssembly, which runs everywhere.

import type { Engine } from "./engine.js";

export const wasm: Engine = {
  isDefault: () => true,
  async load() {
    await import("@tensorflow/tfjs-backend-wasm");
    return null;
  },
};
