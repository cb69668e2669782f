// A backend on an addon that is written in JavaScript: what the addon is called with, and when memory is released.

import { beforeAll, expect, test } from "@jest/globals";
import { enableProdMode, memory, setBackend, tensor1d, tidy } from "@tensorflow/tfjs-core";
import { call, gelu } from "@tessera/kernels";
import type { Addon } from "./addon.js";
import { NativeBackend, registerNativeBackend } from "./index.js";

/** Blocks of memory by slot, and a GELU that doubles its input. */
function doublingAddon(): Addon & {
  readonly forms: string[];
  readonly blocks: Map<number, Uint8Array>;
} {
  const blocks = new Map<number, Uint8Array>();
  const forms: string[] = [];
  let next = 0;
  const allocate = (bytes: number): number => {
    blocks.set(next, new Uint8Array(bytes));
    return next++;
  };
  const floats = (slot: number) => new Float32Array(blocks.get(slot)!.buffer);
  /** Runs the call that begins at `start`. Returns where it ends. */
  const runNext = (packed: Float64Array, start: number): number => {
    const released = packed[start]!;
    for (let i = 1; i <= released; i += 1) blocks.delete(packed[start + i]!);
    let at = start + 1 + released;
    const [kernel, inputs, outputs, attributes] = packed.subarray(at, at + 4);
    expect([kernel, inputs, outputs, attributes]).toEqual([0, 1, 1, 1]);
    at += 4;
    const [xSlot, , rank] = packed.subarray(at, at + 3);
    const size = packed[at + 3]!;
    expect(rank).toBe(1);
    at += 4;
    if (packed[at] === -1) packed[at] = allocate(4 * size);
    floats(packed[at]!).set(floats(xSlot!).map((value) => 2 * value));
    at += 4;
    const length = -1 - packed[at]!;
    forms.push(String.fromCharCode(...packed.subarray(at + 1, at + 1 + length)));
    return at + 1 + length;
  };
  return {
    blocks,
    forms,
    allocate,
    release: (slot) => void blocks.delete(slot),
    address: (slot) => slot,
    write: (slot, values) =>
      blocks.get(slot)!.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength)),
    read: (slot, values) =>
      new Uint8Array(values.buffer, values.byteOffset, values.byteLength).set(
        blocks.get(slot)!.subarray(0, values.byteLength),
      ),
    run: (packed) => void runNext(packed, 0),
    runAll(packed) {
      for (let at = 0; at < packed.length;) at = runNext(packed, at);
    },
    contract: () => [
      {
        name: gelu.name,
        lists: [],
        outputLists: [],
        inputs: ["x"],
        optionalInputs: [],
        outputs: ["y"],
        optionalOutputs: [],
        attributes: ["form"],
        inPlace: {},
        fp32Outputs: [],
      },
    ],
    memory: () => ({
      allocated: [...blocks.values()].reduce((sum, { length }) => sum + length, 0),
      peak: 0,
      pooled: 0,
    }),
    resetPeakMemory: () => undefined,
  };
}

const addon = doublingAddon();
const backend = new NativeBackend(addon, ["fp32"]);
beforeAll(async () => {
  enableProdMode();
  expect(registerNativeBackend("doubling", backend)).toBe(true);
  await setBackend("doubling");
});

test("a kernel that the addon has runs there, with its attributes", () => {
  const x = tensor1d([1, -2, 3]);
  const { y } = call(gelu, { x }, { form: "tanh" });
  expect([...y.dataSync()]).toEqual([2, -4, 6]);
  expect(addon.forms).toEqual(["tanh"]);
  for (const tensor of [x, y]) tensor.dispose();
});

test("memory of disposed tensors is released with the next call, or when it is counted", () => {
  const x = tensor1d([5]);
  const { y } = call(gelu, { x }, { form: "erf" });
  for (const tensor of [x, y]) tensor.dispose();
  expect((memory() as unknown as { allocated: number }).allocated).toBe(0);
  expect(addon.blocks.size).toBe(0);
});

test("a backend supports the storages that it was made with", () => {
  expect([backend.supports("fp32"), backend.supports("bf16")]).toEqual([true, false]);
});

test("reads of native memory are counted", () => {
  const before = backend.hostReads;
  const x = tensor1d([1]);
  const { y } = call(gelu, { x }, { form: "tanh" });
  expect(backend.hostReads).toBe(before);
  y.dataSync();
  expect(backend.hostReads).toBe(before + 1);
  for (const tensor of [x, y]) tensor.dispose();
});

test("calls that were captured are made again on other values, in the same memory", () => {
  const x = tensor1d([1, 2]);
  const twice = () => {
    const { y: doubled } = call(gelu, { x }, { form: "tanh" });
    const { y } = call(gelu, { x: doubled }, { form: "tanh" });
    doubled.dispose();
    return y;
  };
  const captured = backend.capture([], twice);
  const { result } = captured;
  expect([...result.dataSync()]).toEqual([4, 8]);
  const blocks = addon.blocks.size;
  backend.overwrite(x, Float32Array.of(5, -1));
  captured.replay([]);
  expect([...result.dataSync()]).toEqual([20, -4]);
  expect(addon.blocks.size).toBe(blocks);
  expect(() => captured.replay([1])).toThrow("1 numbers vary, must be 0");
  expect(() => backend.overwrite(x, Int32Array.of(1, 2))).toThrow("int32");
  for (const tensor of [x, result]) tensor.dispose();
  captured.dispose();
  memory();
  expect(addon.blocks.size).toBe(0);
});

test("a capture that fails leaves no memory behind", () => {
  const fail = () => {
    call(gelu, { x: tensor1d([1]) }, { form: "tanh" }).y.dispose();
    throw new Error("no");
  };
  expect(() => tidy(() => void backend.capture([], fail))).toThrow("no");
  memory();
  expect(addon.blocks.size).toBe(0);
});
