// tfjs's plain JavaScript: slow, and what others are compared with.

import type { Engine } from "./engine.js";

export const cpu: Engine = {
  isDefault: () => false,
  async load() {
    await import("@tensorflow/tfjs-backend-cpu");
    return null;
  },
};
