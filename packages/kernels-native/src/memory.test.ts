// Native memory is counted, reused and given back, and says so when there is not enough.

import { beforeAll, describe, expect, test } from "@jest/globals";
import {
  abs,
  add,
  all,
  engine,
  enableProdMode,
  equal,
  fill,
  memory,
  mul,
  reshape,
  setBackend,
  tensor,
  tidy,
  type Tensor,
} from "@tensorflow/tfjs-core";
import { call, convert } from "@tessera/kernels";
import { hostMemory, storageOf, supportsStorage } from "@tessera/kernels/memory";
import { fillUniform, streamKey } from "@tessera/random";
import type { MemoryFigures } from "@tessera/native-backend";
import { isAvailable, loadNative, type CpuBackend } from "./index.js";

const figures = () => memory() as unknown as MemoryFigures;

(isAvailable() ? describe : describe.skip)("native memory", () => {
  beforeAll(async () => {
    enableProdMode();
    loadNative(process.env);
    await setBackend("native");
  });

  test("is held by tensors and returned when they are disposed", () => {
    const before = figures().allocated;
    const x = fill([1000, 1000], 1);
    expect(figures().allocated - before).toBeGreaterThanOrEqual(4e6);
    const view = reshape(x, [10, -1]);
    x.dispose();
    expect(figures().allocated).toBeGreaterThan(before);
    view.dispose();
    expect(figures().allocated).toBe(before);
    expect(figures().pooled).toBeGreaterThanOrEqual(4e6);
  });

  test("has a peak, which counts from a reset", () => {
    const backend = engine().backend as unknown as CpuBackend;
    fill([1000, 1000], 1).dispose();
    expect(figures().peak - figures().allocated).toBeGreaterThanOrEqual(4e6);
    backend.resetPeakMemory();
    expect(figures().peak).toBe(figures().allocated);
    fill([100, 100], 1).dispose();
    expect(figures().peak - figures().allocated).toBeGreaterThanOrEqual(4e4);
    expect(figures().peak - figures().allocated).toBeLessThan(4e6);
  });

  test("of a repeated computation comes from the pool", () => {
    const step = () => tidy(() => mul(add(fill([300, 70], 2), 1), fill([300, 1], 3)).dataSync());
    step();
    const { allocated, pooled } = figures();
    for (let i = 0; i < 5; i += 1) step();
    expect(figures()).toMatchObject({ allocated, pooled });
  });

  test("of large tensors is theirs alone, in whatever order they come and go", () => {
    const uniform = new Float32Array(400);
    fillUniform(uniform, streamKey(3, "arena"), 0);
    const kept: { x: Tensor; value: number }[] = [];
    uniform.forEach((u, value) => {
      if (u < 0.45 && kept.length > 0) {
        const { x, value: written } = kept.splice(Math.floor(u * kept.length), 1)[0]!;
        const whole = tidy(() => all(equal(x, fill(x.shape, written))).dataSync()[0]);
        expect(whole).toBe(1);
        x.dispose();
      } else {
        kept.push({ x: fill([Math.ceil(u * 2e6)], value), value });
      }
    });
    for (const { x } of kept) x.dispose();
  });

  test("that does not exist is refused with what was asked for and what is held", () => {
    expect(() => fill([2 ** 22, 2 ** 22], 0)).toThrow(
      /out of memory: 70368744177664 bytes asked for, \d+ bytes held/,
    );
  });

  test("of 16 bits is half as much, and reads as 32", () => {
    const values = [1, -2.5, 3.140625, 65280, 0];
    for (const storage of ["bf16", "fp16"] as const) {
      const x = tensor(values);
      const { y } = call(convert, { x }, { storage });
      expect(supportsStorage(storage)).toBe(true);
      expect(storageOf(y)).toBe(storage);
      expect([...y.dataSync()]).toEqual(values);
      const doubled = mul(y, 2);
      expect(storageOf(doubled)).toBe(storage);
      expect([...doubled.dataSync()].slice(0, 3)).toEqual([2, -5, 6.28125]);
      // A kernel of tfjs's CPU backend reads it too.
      expect([...abs(y).dataSync()].slice(0, 2)).toEqual([1, 2.5]);
    }
  });

  test("has one address for as long as a tensor holds it", () => {
    const host = hostMemory()!;
    const x = tensor([1, 2, 3]);
    const address = host.address(x);
    expect(address).toBeGreaterThan(0);
    expect(address % 64).toBe(0);
    const view = x.clone();
    x.dispose();
    expect(host.address(view)).toBe(address);
    const blank = engine().makeTensorFromTensorInfo(host.allocate([2, 3], "bf16"));
    expect([blank.shape, storageOf(blank)]).toEqual([[2, 3], "bf16"]);
    view.dispose();
    blank.dispose();
  });
});
