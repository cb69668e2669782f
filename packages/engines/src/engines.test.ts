// Which backends there are, and what is said where one cannot be had.

import { expect, test } from "@jest/globals";
import { add, getBackend, tensor1d } from "@tensorflow/tfjs-core";
import { isAvailable } from "@tessera/kernels-native";
import { backendNames, chooseBackend, defaultBackend } from "./index.js";

test("the default is the native engine where it is built, else wasm", () => {
  expect(defaultBackend()).toBe(isAvailable() ? "native" : "wasm");
  expect(backendNames[0]).toBe("native");
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

test("an engine that is not installed is refused by its flag, with what to do", async () => {
  await expect(chooseBackend("tensorflow", {}, "--engine")).rejects.toThrow(
    /^--engine tensorflow: @tensorflow\/tfjs-node .*npm install @tensorflow\/tfjs-node-gpu/,
  );
});
