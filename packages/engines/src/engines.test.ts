// Which backends there are, and what is said where one cannot be had.

import { expect, test } from "@jest/globals";
import { add, getBackend, tensor1d } from "@tensorflow/tfjs-core";
import { isAvailable, whyUnavailable } from "@tessera/kernels-native";
import { seesGpu, whyUnavailable as whyTensorFlowIsNot } from "@tessera/kernels-tensorflow";
import { backendNames, chooseBackend, defaultBackend, explainFallback } from "./index.js";

test("the default is TensorFlow where it sees a GPU, the native engine where it is built, else wasm", () => {
  const onProcessors = isAvailable() ? "native" : "wasm";
  expect(defaultBackend({})).toBe(seesGpu() ? "tensorflow" : onProcessors);
  expect(backendNames).toEqual(["tensorflow", "native", "wasm", "cpu"]);
});

test.each(["cpu", "wasm", ...(isAvailable() ? (["native"] as const) : [])] as const)(
  "%s is loaded, computes, and is the backend of the process",
  async (name) => {
    await chooseBackend(name, { OMP_NUM_THREADS: "1" });
    expect(getBackend()).toBe(name);
    const x = tensor1d([1, 2, 3]);
    const y = add(x, 1);
    expect([...y.dataSync()]).toEqual([2, 3, 4]);
    y.dispose();
    x.dispose();
  },
);

test("an engine that cannot be had is refused by its flag, with what to do", async () => {
  const chosen = chooseBackend("tensorflow", { OMP_NUM_THREADS: "1" }, "--engine");
  if (whyTensorFlowIsNot() === null) await chosen;
  else {
    await expect(chosen).rejects.toThrow(
      /^--engine tensorflow: .*; npx tessera build-engines --tensorflow/,
    );
  }
});

test("that wasm computes for want of the native engine is said with the reason, else nothing", () => {
  const missing = whyUnavailable();
  expect(explainFallback("native")).toEqual([]);
  expect(explainFallback("wasm").length).toBe(missing === null ? 0 : 1);
  for (const line of explainFallback("wasm")) expect(line).toContain(missing!);
});
