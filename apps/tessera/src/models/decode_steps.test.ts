// Decoding on the native engine: steps that are replayed, and weights in fewer bits.

import { join } from "node:path";
import { beforeAll, describe, expect, jest, test } from "@jest/globals";
import {
  add,
  backend,
  enableProdMode,
  memory,
  scalar,
  setBackend,
  tensor,
  tidy,
  type MemoryInfo,
  type Tensor,
} from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-cpu";
import { readModel, readModelConfig } from "@tessera/checkpoint";
import { UserError } from "@tessera/config";
import { gpt, type Gpt, type GptParams } from "@tessera/gpt";
import { loadNative } from "@tessera/kernels-native";
import type { MemoryFigures, NativeBackend } from "@tessera/native-backend";
import { evalContext } from "@tessera/layers";
import { disposeTree, leaves } from "@tessera/params";
import { claim } from "@tessera/params/placement";
import { modelEngine } from "@tessera/generation";
import { storeWeights, weightStorages } from "@tessera/generation/weights";

const GOLDEN = join(__dirname, "../../../../fixtures/golden");
const config = readModelConfig(GOLDEN);
const model = gpt(config);
const ids = Array.from({ length: 12 }, (_, i) => (i * i * 7 + 3 * i + 1) % config.vocabularySize);

beforeAll(async () => {
  enableProdMode();
  expect(loadNative(process.env)).toBe(true);
  await setBackend("native");
});

/** Bytes of native memory. */
const allocatedIn = (figures: MemoryInfo): number =>
  (figures as MemoryInfo & MemoryFigures).allocated;

const last = (values: Float32Array): Float32Array => values.subarray(-config.vocabularySize);

/**
 * The logits after each of `ids`, of the last of several rows, and how many calls of kernels there were by then. The first
 * token is a text of its own too, so that two steps have the same lengths.
 */
async function decode(of: Gpt, params: GptParams, rows: number) {
  const run = jest.spyOn(backend() as unknown as NativeBackend, "run");
  const engine = modelEngine(of, params, { ...config, rows });
  const [logits, calls]: [Float32Array[], number[]] = [[], []];
  for (const [held, id] of [[0, ids[0]!] as const, ...ids.entries()]) {
    const lengths = Array.from({ length: rows }, () => held);
    const given = Int32Array.from(lengths, () => id);
    logits.push(last(await engine.run({ firstRow: 0, lengths, ids: given, keep: 1 })));
    calls.push(run.mock.calls.length);
  }
  await engine.close();
  run.mockRestore();
  return { logits: logits.slice(1), calls };
}

/** The same of whole texts, without a cache. */
const readWhole = (of: Gpt, params: GptParams): Float32Array[] =>
  ids.map((_, i) =>
    tidy(() => {
      const x = tensor(ids.slice(0, i + 1), [1, i + 1], "int32");
      return last(of.logits(params, of.activations(params, x, evalContext)).dataSync<"float32">());
    }),
  );

/** The largest difference of an element. */
const apart = (a: readonly Float32Array[], b: readonly Float32Array[]): number =>
  Math.max(...a.flatMap((one, i) => [...one].map((x, j) => Math.abs(x - b[i]![j]!))));

const largest = (all: readonly Float32Array[]): number =>
  Math.max(...all.flatMap((one) => [...one].map(Math.abs)));

describe("a step", () => {
  test.each([1, 3])("of %d rows is replayed once one of other lengths was right", async (rows) => {
    const before = memory();
    const params = readModel(GOLDEN, config);
    const { logits, calls } = await decode(model, params, rows);
    expect(apart(logits, readWhole(model, params))).toBeLessThan(1e-5);
    expect(calls.slice(1, 3)).toEqual([2 * calls[0]!, 3 * calls[0]!]);
    expect(calls.at(-1)).toBe(calls[2]);
    disposeTree(params);
    expect(memory()).toMatchObject({
      numTensors: before.numTensors,
      allocated: allocatedIn(before),
    });
  });

  test.each<[string, (x: Tensor, length: number) => number]>([
    ["makes something of lengths", (_, length) => length],
    ["reads tensors", (x) => x.dataSync<"int32">().at(-1)!],
  ])("that %s in JavaScript is not", async (_what, make) => {
    const params = readModel(GOLDEN, config);
    const shifted: Gpt = {
      ...model,
      activations: (all, x, ctx) => {
        const y = model.activations(all, x, ctx);
        // A number that no kernel has made.
        const made = make(x, ctx.cache === undefined ? x.shape[1]! : ctx.cache.lengths[0]! + 1);
        return claim(tidy(() => add(y, scalar(made))));
      },
    };
    const { logits, calls } = await decode(shifted, params, 1);
    const expected = readWhole(shifted, params);
    expect(apart(logits, expected) / largest(expected)).toBeLessThan(1e-5);
    expect(calls.at(-1)).toBeGreaterThan(ids.length * calls[0]!);
    disposeTree(params);
  });
});

const STORED = {
  fp32: { bits: 31.9, tolerance: 1e-5 },
  bf16: { bits: 16, tolerance: 0.02 },
  int8: { bits: 8.5, tolerance: 0.03 },
};

describe("weights", () => {
  test.each(weightStorages)(
    "in %s give nearly the same logits, from less memory",
    async (storage) => {
      const before = allocatedIn(memory());
      const params = storeWeights(readModel(GOLDEN, config), model.spec, storage);
      const { logits } = await decode(model, params, 2);
      const held = allocatedIn(memory()) - before;
      const full = readModel(GOLDEN, config);
      const expected = readWhole(model, full);
      const { bits, tolerance } = STORED[storage];
      expect(apart(logits, expected) / largest(expected)).toBeLessThan(tolerance);
      const count = leaves<Tensor>(full).reduce((sum, [, x]) => sum + x.size, 0);
      expect((8 * held) / count).toBeGreaterThan(bits);
      expect((8 * held) / count).toBeLessThan(bits + 1);
      for (const tree of [params, full]) disposeTree(tree);
    },
  );

  test("in int8 are refused where the backend stores none", async () => {
    await setBackend("cpu");
    const params = readModel(GOLDEN, config);
    expect(() => storeWeights(params, model.spec, "int8")).toThrow(UserError);
    disposeTree(params);
    await setBackend("native");
  });
});
