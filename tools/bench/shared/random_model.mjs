// A GPT with random weights.

import { gpt } from "@tessera/gpt";
import { leafAt, materialize } from "@tessera/params";

/** @typedef {import("@tessera/gpt").GptParams} GptParams */
/** @typedef {import("@tensorflow/tfjs-core").Tensor} Tensor */

/**
 * The model of a configuration, its parameters, and the values of the one at a path.
 * @param {import("@tessera/gpt").GptConfig} config
 */
export function randomModel(config) {
  const model = gpt(config);
  const params = /** @type {GptParams} */ (materialize(model.spec, 1));
  /** @param {string} path */
  const valuesAt = (path) => {
    const leaf = /** @type {Tensor} */ (leafAt(params, path));
    return /** @type {Float32Array} */ (leaf.dataSync());
  };
  return { model, params, valuesAt };
}
