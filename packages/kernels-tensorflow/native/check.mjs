// Computes a product and a gradient on the binding that was built, and says what computed them.

import { setBackend, tensor2d } from "@tensorflow/tfjs-core";
import { call, gelu, geluGradient, product } from "@tessera/kernels";
import { describeTensorFlow, loadTensorFlow, whyUnavailable } from "../dist/index.js";

/** @param {string} reason */
function fail(reason) {
  process.stdout.write(`TensorFlow engine: ${reason}\n`);
  process.exit(1);
}

if (!loadTensorFlow()) fail(whyUnavailable() ?? "does not load");
await setBackend("tensorflow");
const x = tensor2d([1, 2, 3, 4], [2, 2]);
/** @param {import("@tensorflow/tfjs-core").Tensor} values */
const rounded = (values) => [...values.dataSync()].map((value) => Math.round(value)).join();
const y = call(product, { x, weight: x }, { transpose: false }).y;
// Far from zero GELU is its input, and its slope 1.
const far = tensor2d([10, 20], [1, 2]);
const dx = call(geluGradient, { x: far, dy: far }, { form: "erf" }).dx;
const passed = call(gelu, { x: far }, { form: "erf" }).y;
if (rounded(y) !== "7,10,15,22" || rounded(dx) !== "10,20" || rounded(passed) !== "10,20") {
  fail(`a product is ${rounded(y)}, a gradient ${rounded(dx)}: that is wrong`);
}
const { version, gpus, compiles, builtFor, remarks } = describeTensorFlow() ?? fail("is gone");
const device = gpus === 0 ? "no GPU, so processors compute" : `${gpus} GPU${gpus === 1 ? "" : "s"}`;
const xla = compiles ? "compiles by XLA" : "without XLA, so slower";
process.stdout.write(
  `TensorFlow engine: TensorFlow ${version}, built for ${builtFor}; ${device}; ${xla}\n`,
);
for (const remark of remarks) process.stdout.write(`TensorFlow engine: ${remark}\n`);
