import { join } from "node:path";
import { beforeAll, describe, expect, test } from "@jest/globals";
import "@tensorflow/tfjs-backend-cpu";
import { enableProdMode, memory, setBackend, tensor, tidy } from "@tensorflow/tfjs-core";
import { readModel, readModelConfig } from "@tessera/checkpoint";
import { gpt, gptConfig, type GptParams } from "@tessera/gpt";
import { evalContext } from "@tessera/layers";
import { materialize } from "@tessera/params";
import { byteTokenizer } from "@tessera/tokenizer";
import {
  createBatcher,
  generate,
  generateAll,
  greedy,
  modelEngine,
  type Engine,
  type Sampling,
} from "./index.js";

const GOLDEN = join(__dirname, "../../../fixtures/golden");

/** Backends round differently; logits of these models are of size 1. */
const TOLERANCE = 1e-5;

beforeAll(async () => {
  enableProdMode();
  await setBackend("cpu");
});

/** Rows of logits [time, vocabulary] of a whole text, without a cache. */
function uncached(model: ReturnType<typeof gpt>, params: GptParams, ids: readonly number[]) {
  return tidy(() => {
    const x = tensor([...ids], [1, ids.length], "int32");
    return model.logits(params, model.activations(params, x, evalContext)).dataSync<"float32">();
  });
}

function expectClose(actual: Float32Array, expected: Float32Array): void {
  expect(actual.length).toBe(expected.length);
  const apart = actual.reduce(
    (most, value, i) => Math.max(most, Math.abs(value - expected[i]!)),
    0,
  );
  expect(apart).toBeLessThan(TOLERANCE);
}

const someIds = (count: number, vocabulary: number): number[] =>
  Array.from({ length: count }, (_, i) => (i * i * 7 + 3 * i + 1) % vocabulary);

describe("a cache", () => {
  const config = readModelConfig(GOLDEN);
  const model = gpt(config);
  let params: GptParams;
  beforeAll(async () => {
    await setBackend("cpu");
    params = readModel(GOLDEN, config);
  });

  test("gives the logits of the whole text, in whatever pieces it is read", async () => {
    const before = memory().numTensors;
    const ids = someIds(20, config.vocabularySize);
    const expected = uncached(model, params, ids);
    const engine = modelEngine(model, params, { ...model.config, rows: 3 });
    for (const sizes of [[1], [5, 1, 3], [ids.length]]) {
      const parts: Float32Array[] = [];
      for (let at = 0, i = 0; at < ids.length; i += 1) {
        const piece = ids.slice(at, at + sizes[i % sizes.length]!);
        const call = { firstRow: 1, lengths: [at], ids: Int32Array.from(piece) };
        parts.push(await engine.run({ ...call, keep: piece.length }));
        at += piece.length;
      }
      expectClose(Float32Array.from(parts.flatMap((part) => [...part])), expected);
    }
    await engine.close();
    expect(memory().numTensors).toBe(before);
  });

  test("holds rows of different lengths, which can be copied and cut", async () => {
    const engine = modelEngine(model, params, { ...model.config, rows: 4 });
    const texts = [3, 9, 1].map((count) => someIds(count, config.vocabularySize));
    for (const [i, ids] of texts.entries()) {
      const call = { firstRow: i, lengths: [0], ids: Int32Array.from(ids), keep: 1 };
      await engine.run(call);
    }
    engine.copyRow(1, 3);
    const lengths = [3, 9, 1, 5];
    const ids = Int32Array.from([4, 5, 6, 7]);
    const logits = await engine.run({ firstRow: 0, lengths, ids, keep: 1 });
    const size = config.vocabularySize;
    const seen = [...texts, texts[1]!.slice(0, 5)];
    seen.forEach((text, row) => {
      const expected = uncached(model, params, [...text, ids[row]!]).subarray(-size);
      expectClose(logits.subarray(row * size, (row + 1) * size), expected);
    });
    await engine.close();
  });
});

describe("generation", () => {
  const config = gptConfig({
    layerCount: 2,
    hiddenSize: 12,
    headCount: 3,
    kvHeadCount: 1,
    vocabularySize: 256,
    maxPositions: 16,
    initStd: 0.3,
  });
  const model = gpt(config);
  let params: GptParams;
  beforeAll(async () => {
    await setBackend("cpu");
    params = materialize<GptParams>(model.spec, 1);
  });

  const sampling: Sampling = { ...greedy, temperature: 1, topK: 100, topP: 0.9, seed: 3 };
  const engineOf = (rows: number): Engine => modelEngine(model, params, { ...model.config, rows });
  const written = async (prompt: string, changes: Partial<Sampling> = {}, maxTokens = 24) => {
    const engine = engineOf(1);
    const request = { prompt, maxTokens, sampling: { ...sampling, ...changes } };
    let text = "";
    for await (const piece of generate(engine, byteTokenizer, request)) text += piece;
    await engine.close();
    return text;
  };

  test("is a function of prompt and seed, longer than the window, and leaves nothing behind", async () => {
    const before = memory().numTensors;
    const text = await written("ab");
    expect(await written("ab")).toBe(text);
    expect(await written("ab", { seed: 4 })).not.toBe(text);
    expect(memory().numTensors).toBe(before);
  });

  test("of many prompts gives each the text that it has alone", async () => {
    const prompts = Array.from(
      { length: 6 },
      (_, i) => "abcdefghijkl".slice(i) + "x".repeat(i * 5),
    );
    const alone: string[] = [];
    for (const prompt of prompts) alone.push(await written(prompt));
    for (const rows of [2, 4]) {
      const engine = engineOf(rows);
      const together: string[] = [];
      const requests = prompts.map((prompt) => ({ prompt, maxTokens: 24, sampling }));
      await generateAll(engine, byteTokenizer, requests, ({ text, finish }, i) => {
        together[i] = text;
        expect(finish).toBe("length");
      });
      expect(together).toEqual(alone);
      await engine.close();
    }
  });

  test("greedily repeats what uncached logits say", async () => {
    const ids = [97];
    for (let n = 0; n < 10; n += 1) {
      const last = uncached(model, params, ids).subarray(-256);
      ids.push(last.indexOf(Math.max(...last)));
    }
    expect(await written("a", { temperature: 0 }, 10)).toBe(byteTokenizer.decode(ids.slice(1)));
  });

  test("stops before a stop text, and says so", async () => {
    const whole = await written("ab");
    const stop = whole.slice(5, 8);
    const engine = engineOf(1);
    const pieces = generate(engine, byteTokenizer, {
      prompt: "ab",
      maxTokens: 24,
      sampling,
      stop: ["nothing like it", stop],
    });
    let text = "";
    let next = await pieces.next();
    for (; !next.done; next = await pieces.next()) text += next.value;
    expect(next.value).toBe("stop");
    expect(text).toBe(whole.slice(0, whole.indexOf(stop)));
    await engine.close();
  });

  const fail = (error: unknown): never => {
    throw error;
  };

  test("lets sequences leave and join between steps", async () => {
    const engine = engineOf(3);
    const together = createBatcher(engine, { chunk: 2 });
    const taken: number[][] = [];
    const join = (length: number) => {
      const ids: number[] = [];
      taken.push(ids);
      const prompt = someIds(length, 256);
      return together.add({ prompt, sampling, take: (id) => ids.push(id) < 30, failed: fail });
    };
    const first = join(3);
    join(7);
    for (let n = 0; n < 5; n += 1) await together.step();
    expect(together.size).toBe(2);
    first.leave();
    await together.step();
    expect(together.size).toBe(1);
    const count = taken[0]!.length;
    join(3);
    join(7);
    while (together.size > 0) await together.step();
    expect(taken[0]).toHaveLength(count);
    expect(taken[0]).toEqual(taken[2]!.slice(0, count));
    expect(taken[1]).toEqual(taken[3]);
    expect(taken[1]).toHaveLength(30);
  });
});
