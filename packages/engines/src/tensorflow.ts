// TensorFlow's own library, with a GPU if the user installed that.

import type { Engine } from "./engine.js";

/** With a GPU, then without. */
const PACKAGES = ["@tensorflow/tfjs-node-gpu", "@tensorflow/tfjs-node"];

export const tensorflow: Engine = {
  isDefault: () => false,
  async load() {
    const reasons: string[] = [];
    for (const name of PACKAGES) {
      try {
        await import(name);
        return null;
      } catch (error) {
        const [line = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
        if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") reasons.push(line);
      }
    }
    const why = reasons.length === 0 ? "is not installed" : `does not load (${reasons.join("; ")})`;
    return (
      `@tensorflow/tfjs-node ${why}; npm install @tensorflow/tfjs-node-gpu, or @tensorflow/tfjs-node ` +
      "without a GPU"
    );
  },
};
