// Which kernels a step calls, and how long each takes.

import { backend } from "@tensorflow/tfjs-core";
import { NativeBackend } from "@tessera/native-backend";

/** @typedef {Record<"attention" | "products" | "head" | "optimizer" | "rest", number>} Parts Seconds. */
/** @typedef {import("@tessera/kernels/memory").FloatStorage} FloatStorage */

/**
 * @typedef {object} KernelCall
 * @property {string} name
 * @property {Readonly<Record<string, readonly number[]>>} shapes Of its inputs, without lists and absent ones.
 * @property {Readonly<Record<string, unknown>>} attributes
 * @property {FloatStorage} storage Of the activations.
 */

/** @type {readonly { part: keyof Parts, kernels: RegExp }[]} */
const PARTS = [
  { part: "attention", kernels: /CausalAttention|Rotary/ },
  { part: "products", kernels: /^Tessera(Linear|Product|(Add)?WeightGradient)$/ },
  { part: "head", kernels: /CrossEntropy/ },
  { part: "optimizer", kernels: /AdamStep|SgdStep|SumOfSquares/ },
];

/** @param {string} name */
const partOf = (name) => PARTS.find(({ kernels }) => kernels.test(name))?.part ?? "rest";

/**
 * The kernels of one call of `step`, and seconds by part of it, where `rest` has everything that is in no other.
 * Only the native backend is profiled.
 * @param {() => { seconds: number }} step
 * @returns {{ calls: readonly KernelCall[], parts: Parts }}
 */
export function profile(step) {
  const native = backend();
  const parts = { attention: 0, products: 0, head: 0, optimizer: 0, rest: 0 };
  if (!(native instanceof NativeBackend)) return { calls: [], parts };
  /** @type {KernelCall[]} */
  const calls = [];
  const run = native.run.bind(native);
  native.run = (name, inputs, outputs, attributes = {}) => {
    const began = performance.now();
    const results = run(name, inputs, outputs, attributes);
    parts[partOf(name)] += (performance.now() - began) / 1000;
    const shapes = Object.entries(inputs).flatMap(([key, input]) =>
      input !== undefined && "shape" in input ? [[key, input.shape]] : [],
    );
    const x = inputs["x"];
    const storage = x !== undefined && "dataId" in x ? native.storageOf(x) : null;
    calls.push({
      name,
      shapes: Object.fromEntries(shapes),
      attributes,
      storage: storage === "bf16" || storage === "fp16" ? storage : "fp32",
    });
    return results;
  };
  const { seconds } = step();
  native.run = run;
  const { attention, products, head, optimizer } = parts;
  parts.rest = seconds - attention - products - head - optimizer;
  return { calls, parts };
}
