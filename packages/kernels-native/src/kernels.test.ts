// The addon implements exactly the kernels that are defined, gives the numbers of their composites,
// and gives them again.

import { beforeAll, describe, expect, test } from "@jest/globals";
import { enableProdMode, memory, setBackend, tensor1d } from "@tensorflow/tfjs-core";
import { call, convert } from "@tessera/kernels";
import {
  cases,
  defined,
  difference,
  nameOf,
  runCase,
  weightCases,
  type Place,
} from "@tessera/kernels/laws";
import type { FloatStorage } from "@tessera/kernels/memory";
import { standard, type NativeContract } from "@tessera/native-backend";
import { findAddon, loadAddon } from "./addon.js";
import { registerAddon } from "./backend.js";

/** Relative to the largest value of an output. */
const TOLERANCE = { fp32: 1e-5, bf16: 1e-2, fp16: 2e-3 };

const COMPOSITE: Place = { backend: "cpu", storage: "fp32" };
const native = (storage: FloatStorage): Place => ({ backend: "native", storage });

/** The sanitizers' script names an addon of its own. */
const { TESSERA_ADDON: sanitized } = process.env;
const found = sanitized === undefined ? findAddon() : { file: sanitized };
const ADDON = "file" in found ? found.file : null;

/** All names of a contract, and which outputs may be written over which inputs. */
const namesIn = (contract: Partial<NativeContract> & { readonly name: string }) => ({
  name: contract.name,
  lists: contract.lists ?? [],
  inputs: contract.inputs ?? [],
  optionalInputs: contract.optionalInputs ?? [],
  outputLists: contract.outputLists ?? [],
  outputs: contract.outputs ?? [],
  optionalOutputs: contract.optionalOutputs ?? [],
});

(ADDON === null ? describe.skip : describe)("native kernels", () => {
  beforeAll(() => {
    enableProdMode();
    registerAddon(loadAddon(ADDON!), process.env);
  });

  test("are those that the contracts define and those of tfjs that are taken over", () => {
    const contracts = loadAddon(ADDON!).contract();
    const ours = contracts.filter(({ name }) => !(name in standard));
    const sorted = <T extends { name: string }>(list: T[]) =>
      list.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    expect(sorted(ours.map(namesIn))).toEqual(sorted(defined.map(namesIn)));
  });

  test("all have a case", () => {
    const covered = new Set(cases.map(({ kernel }) => kernel));
    expect(defined.map(({ name }) => name).filter((name) => !covered.has(name))).toEqual([]);
  });

  const named = cases.map((one) => [nameOf(one), one] as const);

  test.each(named)("%s", async (_name, one) => {
    const expected = await runCase(one, COMPOSITE);
    const actual = await runCase(one, native("fp32"));
    const again = await runCase(one, native("fp32"));
    expect(again).toEqual(actual);
    expected.forEach(([name, shape, values], i) => {
      const [actualName, actualShape, actualValues] = actual[i]!;
      expect([actualName, actualShape]).toEqual([name, shape]);
      expect(difference(actualValues, values)).toBeLessThan(TOLERANCE.fp32);
    });
  });

  test.each(weightCases.map((one) => [nameOf(one), one] as const))("%s", async (_name, one) => {
    const before = memory().numTensors;
    const expected = await runCase(one, COMPOSITE);
    const actual = await runCase(one, native("fp32"));
    expect(difference(actual[0]![2], expected[0]![2])).toBeLessThan(TOLERANCE.fp32);
    expect(memory().numTensors).toBe(before);
  });

  test.each(["cpu", "native"])("a block of int8 that is not finite is NaN: %s", async (backend) => {
    await setBackend(backend);
    const values = Float32Array.from({ length: 192 }, (_, i) =>
      i === 70 ? NaN : i === 140 ? Infinity : i,
    );
    const x = tensor1d(values);
    const { y } = call(convert, { x }, { storage: "int8" });
    const isNaNAt = [...y.dataSync()].map((value) => Number.isNaN(value));
    expect(isNaNAt).toEqual(Array.from({ length: 192 }, (_, i) => i >= 64));
    for (const each of [x, y]) each.dispose();
  });

  test.each(named)("16-bit %s", async (_name, one) => {
    const before = memory().numTensors;
    const expected = await runCase(one, COMPOSITE);
    const check = async (storage: "bf16" | "fp16") => {
      const actual = await runCase(one, native(storage));
      expected.forEach(([, , values], i) => {
        expect(difference(actual[i]![2], values)).toBeLessThan(TOLERANCE[storage]);
      });
    };
    await check("fp16");
    const addon = loadAddon(ADDON!);
    for (const pairs of addon.hasBf16Pairs() ? [false, true] : [false]) {
      addon.useBf16Pairs(pairs);
      await check("bf16");
    }
    expect(memory().numTensors).toBe(before);
  });
});
