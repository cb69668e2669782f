// The addon implements exactly the kernels that are defined, gives the numbers of their composites,
// and gives them again.

import { beforeAll, describe, expect, test } from "@jest/globals";
import {
  dispose,
  enableProdMode,
  memory,
  setBackend,
  Tensor,
  tensor,
  tidy,
} from "@tensorflow/tfjs-core";
import { call, callMultiTensor, convert, type sumOfSquares } from "@tessera/kernels";
import type { Attributes } from "@tessera/kernels/contract";
import type { FloatStorage } from "@tessera/kernels/memory";
import { fillNormal, fillUniform, streamKey } from "@tessera/random";
import { defined, standard, type NativeContract } from "@tessera/native-backend";
import { findAddon, loadAddon } from "./addon.js";
import type { Case, CaseInput, Values } from "./case.js";
import { cases } from "./cases.js";
import { loadNative } from "./index.js";

/** Relative to the largest value of an output. */
const TOLERANCE = { native: 1e-5, "native in bf16": 1e-2, "native in fp16": 2e-3 };

/** The sanitizers' script names an addon of its own. */
const ADDON = process.env["TESSERA_ADDON"] ?? findAddon();

const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** [batch, time]: the first position of each one's document. */
function startsIn(uniform: Float32Array, [batch, time]: readonly number[]): Tensor {
  const starts = new Int32Array(uniform.length);
  uniform.forEach((u, i) => {
    const place = i % time!;
    if (place > 0) starts[i] = u < 2.5 / time! ? place : starts[i - 1]!;
  });
  return tensor(starts, [batch!, time!], "int32");
}

/** The values of an input: a function of its name, so that every run sees the same. */
function draw(name: string, shape: readonly number[], values: Values): Tensor {
  const key = streamKey(1, name);
  const uniform = new Float32Array(size(shape));
  fillUniform(uniform, key, 0);
  const of = (list: Float32Array) => tensor(list, [...shape]);
  if (typeof values === "object") {
    return tensor(
      Int32Array.from(uniform, (u) => Math.floor(u * values.below)),
      [...shape],
      "int32",
    );
  }
  if (values === "starts") return startsIn(uniform, shape);
  if (values === "positive") return of(uniform.map((u) => u + 0.5));
  if (values === "infinite") return of(uniform.fill(Infinity));
  if (values === "weights") return of(uniform.map((u) => (u < 0.2 ? 0 : u)));
  const normal = new Float32Array(size(shape));
  fillNormal(normal, key, 0);
  return of(normal);
}

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

const definitionOf = (name: string) => defined.find((kernel) => kernel.name === name)!;

type GivenInputs = Readonly<Record<string, Tensor | readonly Tensor[]>>;

type Place = "cpu" | "native" | "native in bf16" | "native in fp16";

/** The inputs of a case, with floats in the storage of the place where they are computed. */
function inputsOf({ inputs, lists = {} }: Case, place: Place): GivenInputs {
  const storage = place.endsWith("16") ? (place.slice(-4) as FloatStorage) : "fp32";
  const one = (name: string, [shape, values = "normal"]: CaseInput): Tensor => {
    const x = draw(name, shape, values);
    return x.dtype === "float32" ? call(convert, { x }, { storage }).y : x;
  };
  const single = Object.entries(inputs).map(([name, input]) => [name, one(name, input)] as const);
  const several = Object.entries(lists).map(
    ([name, list]) => [name, list.map((input, i) => one(`${name}.${i}`, input))] as const,
  );
  return Object.fromEntries<Tensor | readonly Tensor[]>([...single, ...several]);
}

/** The outputs by name, those of lists as "list.0", "list.1", ... */
function run(definition: (typeof defined)[number], given: GivenInputs, attributes: Attributes) {
  if (!("lists" in definition)) {
    return call(definition, given as Readonly<Record<string, Tensor>>, attributes);
  }
  const made = callMultiTensor(
    definition as typeof sumOfSquares,
    given as never,
    attributes as never,
  );
  return Object.fromEntries(
    Object.entries<Tensor | readonly Tensor[]>(made).flatMap(([name, output]) =>
      output instanceof Tensor ? [[name, output]] : output.map((x, i) => [`${name}.${i}`, x]),
    ),
  ) as Record<string, Tensor>;
}

/**
 * The outputs of a case by name. The gradient of attention starts from what its forward gave, as
 * only such inputs have a meaning.
 */
async function outputs(one: Case, place: Place) {
  const { kernel, attributes = {} } = one;
  await setBackend(place === "cpu" ? "cpu" : "native");
  const made = tidy(() => {
    const given = inputsOf(one, place);
    const forward =
      kernel === "TesseraCausalAttentionGradient"
        ? run(definitionOf("TesseraCausalAttention"), given, attributes)
        : {};
    return run(definitionOf(kernel), { ...given, ...forward }, attributes);
  });
  const read = Object.entries(made).map(([name, x]) => [name, [...x.shape], x.dataSync()] as const);
  dispose(made);
  return read;
}

/** The largest difference, relative to the largest value. */
function difference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let largest = 1e-30;
  let apart = 0;
  for (let i = 0; i < expected.length; i += 1) {
    largest = Math.max(largest, Math.abs(expected[i]!));
    const gap = Math.abs(actual[i]! - expected[i]!);
    apart = Number.isNaN(gap) ? Infinity : Math.max(apart, gap);
  }
  return apart / largest;
}

const nameOf = ({ kernel, inputs, lists = {}, attributes }: Case): string => {
  const list = Object.entries(lists).map(([name, all]) => [name, all.map(([shape]) => shape)]);
  const shapes = Object.entries(inputs).map(([name, [shape]]) => `${name} [${shape.join(", ")}]`);
  if (list.length > 0) shapes.push(JSON.stringify(Object.fromEntries(list)));
  return `${kernel} ${shapes.join(", ")} ${attributes === undefined ? "" : JSON.stringify(attributes)}`;
};

(ADDON === null ? describe.skip : describe)("native kernels", () => {
  beforeAll(() => {
    enableProdMode();
    loadNative(process.env, ADDON);
  });

  test("are those that the contracts define and those of tfjs that are taken over", () => {
    const contracts = loadAddon(ADDON!, process.env).contract();
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
    const expected = await outputs(one, "cpu");
    const actual = await outputs(one, "native");
    const again = await outputs(one, "native");
    expect(again).toEqual(actual);
    expected.forEach(([name, shape, values], i) => {
      const [actualName, actualShape, actualValues] = actual[i]!;
      expect([actualName, actualShape]).toEqual([name, shape]);
      expect(difference(actualValues, values)).toBeLessThan(TOLERANCE.native);
    });
  });

  test.each(named)("16-bit %s", async (_name, one) => {
    const before = memory().numTensors;
    const expected = await outputs(one, "cpu");
    for (const place of ["native in bf16", "native in fp16"] as const) {
      const actual = await outputs(one, place);
      expected.forEach(([, , values], i) => {
        expect(difference(actual[i]![2], values)).toBeLessThan(TOLERANCE[place]);
      });
    }
    expect(memory().numTensors).toBe(before);
  });
});
