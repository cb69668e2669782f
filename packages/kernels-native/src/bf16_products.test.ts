// Products of bf16 operands compute in what is chosen, and what is faster is measured.

import { afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import { enableProdMode, setBackend, tensor2d, type Tensor } from "@tensorflow/tfjs-core";
import { call, convert, weightGradient } from "@tessera/kernels";
import {
  bf16ProductsBackend,
  type Bf16Products,
  type Bf16ProductsBackend,
} from "@tessera/kernels/memory";
import { isAvailable, loadNative } from "./backend.js";
import { thisMachine } from "./machine.js";

const [ROWS, IN, OUT] = [512, 96, 64] as const;

/** Numbers that bf16 has. */
const small = (size: number, seed: number): Float32Array =>
  Float32Array.from(
    { length: size },
    (_, i) => Math.fround(((i * 37 + seed * 11) % 127) - 63) / 64,
  );

const x = small(ROWS * IN, 1).map((value, i) => value / (1 + (i % 5)));
const dy = small(ROWS * OUT, 2);

function rounded(values: Float32Array, width: number): Tensor {
  const wide = tensor2d(values, [ROWS, width]);
  const { y } = call(convert, { x: wide }, { storage: "bf16" });
  wide.dispose();
  return y;
}

/** x^T dy of operands in bf16, in fp32, and those operands. */
function multiply(): { dWeight: Float32Array; left: Float32Array; right: Float32Array } {
  const [left, right] = [rounded(x, IN), rounded(dy, OUT)];
  const { dWeight } = call(weightGradient, { x: left, dy: right }, {});
  const values = (of: Tensor): Float32Array => of.dataSync<"float32">();
  const read = { dWeight: values(dWeight), left: values(left), right: values(right) };
  for (const each of [left, right, dWeight]) each.dispose();
  return read;
}

(isAvailable() ? describe : describe.skip)("products of bf16", () => {
  let backend: Bf16ProductsBackend;
  let before: Bf16Products;
  beforeAll(async () => {
    enableProdMode();
    loadNative({ OMP_NUM_THREADS: "1" });
    await setBackend("native");
    backend = bf16ProductsBackend()!;
    before = backend.bf16Products;
  });
  afterEach(() => {
    backend.bf16Products = before;
  });

  test("are in pairs where the processor has them, if nothing else is chosen", () => {
    const hasPairs = thisMachine().flags.has("avx512_bf16");
    expect(backend.bf16ProductsOffered).toEqual(hasPairs ? ["bf16", "fp32"] : ["fp32"]);
    expect(before).toBe(hasPairs ? "bf16" : "fp32");
  });

  test("are the sums of exact products to the rounding of fp32, each in its own order", () => {
    const results = backend.bf16ProductsOffered.map((products) => {
      backend.bf16Products = products;
      const { dWeight, left, right } = multiply();
      expect(multiply().dWeight).toEqual(dWeight);
      for (let i = 0; i < IN; i += 7) {
        for (let j = 0; j < OUT; j += 5) {
          let [sum, size] = [0, 0];
          for (let row = 0; row < ROWS; row += 1) {
            const term = left[row * IN + i]! * right[row * OUT + j]!;
            sum += term;
            size += Math.abs(term);
          }
          expect(Math.abs(dWeight[i * OUT + j]! - sum)).toBeLessThan(1e-6 * size);
        }
      }
      return dWeight;
    });
    if (results.length > 1) expect(results[0]).not.toEqual(results[1]);
  });

  test("are refused in pairs where the processor has none", () => {
    const choose = (): void => void (backend.bf16Products = "bf16");
    if (backend.bf16ProductsOffered.includes("bf16")) expect(choose).not.toThrow();
    else expect(choose).toThrow("no pairs");
  });

  test("are measured in each, and compute in what they did before", () => {
    backend.bf16Products = "fp32";
    const rates = backend.measureBf16Products();
    expect(Object.keys(rates)).toEqual(backend.bf16ProductsOffered);
    expect(Object.values(rates).every((rate) => rate > 0 && Number.isFinite(rate))).toBe(true);
    expect(backend.bf16Products).toBe("fp32");
  });
});
