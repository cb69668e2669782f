/** @jest-environment ../../jest.environment.mjs */

import { mkdtempSync, rmSync, truncateSync, writeFileSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import "@tensorflow/tfjs-backend-cpu";
import { enableProdMode, setBackend, tensor, tidy, type Tensor } from "@tensorflow/tfjs-core";
import { openSafetensors, readModel, readModelConfig, writeOnnxSteps } from "@tessera/checkpoint";
import { UserError } from "@tessera/config";
import { gpt, gptConfig, type GptConfig, type GptParams } from "@tessera/gpt";
import { evalContext } from "@tessera/layers";
import { leafAt, materialize } from "@tessera/params";
import { byteTokenizer } from "@tessera/tokenizer";
import { generateAll, greedy, modelEngine, onnxEngine, type Engine } from "./index.js";

const GOLDEN = join(__dirname, "../../../fixtures/golden");

/** Of logits of size 1. Halves have 11 binary digits, and roundings add up over the layers. */
const TOLERANCE = { fp32: 1e-4, fp16: 2e-2 } as const;

type Precision = keyof typeof TOLERANCE;

const small = {
  layerCount: 2,
  hiddenSize: 24,
  headCount: 4,
  ffnHiddenSize: 40,
  vocabularySize: 50,
  maxPositions: 90,
  initStd: 0.2,
} as const;

/** Models of each kind, by the words that set them apart. */
const kinds: Readonly<Record<string, GptConfig>> = {
  "GPT-2": gptConfig(small),
  "GPT-2 with a head of its own": gptConfig({ ...small, tiedEmbeddings: false }),
  "GPT-J": gptConfig({
    ...small,
    positions: { kind: "rotary", base: 10_000, fraction: 2 / 3, pairs: "neighbours" },
    parallelBlock: true,
    biases: { attention: false, mlp: true, head: true },
    tiedEmbeddings: false,
  }),
  Llama: gptConfig({
    ...small,
    kvHeadCount: 2,
    positions: { kind: "rotary", base: 500, fraction: 1, pairs: "halves" },
    activation: "swiglu",
    norm: "rms",
    biases: { attention: false, mlp: false, head: false },
    tiedEmbeddings: false,
  }),
  "no positions, one key head": gptConfig({
    ...small,
    kvHeadCount: 1,
    positions: { kind: "none" },
  }),
};

let folder: string;
beforeAll(async () => {
  enableProdMode();
  await setBackend("cpu");
  folder = mkdtempSync(join(tmpdir(), "tessera-onnx-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function write(config: GptConfig, params: GptParams, precision: Precision): void {
  const valuesAt = (path: string) => leafAt<Tensor>(params, path)!.dataSync<"float32">();
  for (const { doneBytes, totalBytes } of writeOnnxSteps(folder, config, valuesAt, precision)) {
    expect(doneBytes).toBeLessThanOrEqual(totalBytes);
  }
}

/** Rows of logits [time, vocabulary] of a whole text, by the training model. */
function expectedLogits(config: GptConfig, params: GptParams, ids: readonly number[]) {
  const model = gpt(config);
  return tidy(() => {
    const x = tensor([...ids], [1, ids.length], "int32");
    return model.logits(params, model.activations(params, x, evalContext)).dataSync<"float32">();
  });
}

function expectClose(actual: Float32Array, expected: Float32Array, precision: Precision): void {
  expect(actual.length).toBe(expected.length);
  const apart = actual.reduce(
    (most, value, i) => Math.max(most, Math.abs(value - expected[i]!)),
    0,
  );
  expect(apart).toBeLessThan(TOLERANCE[precision]);
}

const someIds = (count: number, vocabulary: number): number[] =>
  Array.from({ length: count }, (_, i) => (i * i * 7 + 3 * i + 1) % vocabulary);

/** The logits of `ids` in row `row`, read in pieces of `size`. */
async function inPieces(engine: Engine, row: number, ids: readonly number[], size: number) {
  const parts: number[] = [];
  for (let at = 0; at < ids.length; at += size) {
    const piece = Int32Array.from(ids.slice(at, at + size));
    parts.push(
      ...(await engine.run({ firstRow: row, lengths: [at], ids: piece, keep: piece.length })),
    );
  }
  return Float32Array.from(parts);
}

describe.each(["fp32", "fp16"] as const)("an ONNX model in %s", (precision) => {
  test.each(Object.entries(kinds))(
    "has the logits of the training model: %s",
    async (_name, config) => {
      const params = materialize<GptParams>(gpt(config).spec, 7);
      write(config, params, precision);
      const engine = await onnxEngine(folder, config, { rows: 4 });
      const ids = someIds(config.maxPositions, config.vocabularySize);
      const expected = expectedLogits(config, params, ids);
      for (const size of [ids.length, 32, 1]) {
        expectClose(await inPieces(engine, 1, ids, size), expected, precision);
      }
      // Rows of different lengths, one of them a copy that is cut short, continue together.
      const texts = [3, 70, 1].map((count) => someIds(count, config.vocabularySize));
      for (const [row, text] of texts.entries()) await inPieces(engine, row, text, 100);
      engine.copyRow(1, 3);
      const lengths = [3, 70, 1, 5];
      const next = Int32Array.from([4, 5, 6, 7]);
      const logits = await engine.run({ firstRow: 0, lengths, ids: next, keep: 1 });
      const size = config.vocabularySize;
      [...texts, texts[1]!.slice(0, 5)].forEach((text, row) => {
        const whole = expectedLogits(config, params, [...text, next[row]!]);
        expectClose(logits.subarray(row * size, (row + 1) * size), whole.slice(-size), precision);
      });
      await engine.close();
    },
  );
});

test("the golden model's logits are PyTorch's, with and without a cache", async () => {
  const config = readModelConfig(GOLDEN);
  write(config, readModel(GOLDEN, config), "fp32");
  const { tokens } = JSON.parse(readFileSync(join(GOLDEN, "expected.json"), "utf8")) as {
    readonly tokens: readonly (readonly (readonly number[])[])[];
  };
  const file = openSafetensors(join(GOLDEN, "logits.safetensors"));
  const [name] = file.shapes.keys();
  const golden = file.read(name!);
  file.close();
  const rows = tokens[0]!.map((ids) => ids.slice(0, -1));
  const engine = await onnxEngine(folder, config, { rows: rows.length });
  const size = golden.length / rows.length;
  for (const [row, ids] of rows.entries()) {
    const expected = golden.subarray(row * size, (row + 1) * size);
    for (const piece of [ids.length, 1]) {
      expectClose(await inPieces(engine, row, ids, piece), expected, "fp32");
    }
  }
  await engine.close();
});

describe("an ONNX model that is not ours", () => {
  const config = kinds["GPT-2"]!;
  const graph = () => join(folder, "model.onnx");
  const refused = async (): Promise<string> => {
    const error: unknown = await onnxEngine(folder, config).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    return (error as UserError).message;
  };

  beforeAll(() => write(config, materialize<GptParams>(gpt(config).spec, 7), "fp32"));

  test("is refused with any byte of its graph changed", async () => {
    const ours = readFileSync(graph());
    const isRefused = async (bytes: Uint8Array) => {
      writeFileSync(graph(), bytes);
      expect(await refused()).toContain("is not the graph");
    };
    for (let n = 0; n < 20; n += 1) {
      const changed = Uint8Array.from(ours);
      changed[(n * 7919) % ours.length]! ^= 1 << (n % 8);
      await isRefused(changed);
    }
    await isRefused(ours.subarray(0, -1));
    await isRefused(Buffer.concat([ours, ours]));
    writeFileSync(graph(), ours);
  });

  test("is refused where its weights are cut short, missing, or of another model", async () => {
    truncateSync(join(folder, "model.onnx.data"), 4096);
    expect(await refused()).toContain("has 4096 bytes");
    rmSync(join(folder, "model.onnx.data"));
    expect(await refused()).toContain("is no file");
    await expect(onnxEngine(folder, kinds["Llama"]!)).rejects.toThrow("is not the graph");
  });
});

test("weights that halves cannot hold are refused, with their name", () => {
  const config = kinds["GPT-2"]!;
  const valuesAt = (path: string) => {
    const leaf = leafAt<{ shape: readonly number[] }>(gpt(config).spec, path)!;
    const values = new Float32Array(leaf.shape.reduce((a, b) => a * b, 1));
    return path === "norm.bias" ? values.fill(-1e5, 3) : values;
  };
  expect(() => [...writeOnnxSteps(folder, config, valuesAt, "fp16")]).toThrow(
    "norm.bias holds -100000, which fp16 cannot",
  );
});

test("writes the text that the training model writes, with the same prompt and seed", async () => {
  const config = gptConfig({ ...small, vocabularySize: 256, maxPositions: 32 });
  const model = gpt(config);
  const params = materialize<GptParams>(model.spec, 11);
  write(config, params, "fp32");
  const engines = [
    modelEngine(model, params, { ...model.config, rows: 2 }),
    await onnxEngine(folder, config, { rows: 2, threads: 1 }),
  ];
  const sampling = {
    ...greedy,
    temperature: 1,
    topK: 80,
    topP: 0.95,
    repetitionPenalty: 1.1,
    seed: 5,
  };
  const requests = ["to be", "or not to be, that is"].flatMap((prompt) => [
    { prompt, maxTokens: 30, sampling },
    { prompt, maxTokens: 30, sampling: greedy },
  ]);
  const texts = engines.map(() => [] as string[]);
  for (const [i, engine] of engines.entries()) {
    await generateAll(engine, byteTokenizer, requests, ({ text }, n) => (texts[i]![n] = text));
    await engine.close();
  }
  expect(texts[0]).toHaveLength(requests.length);
  expect(new Set(texts[0]).size).toBe(4);
  expect(texts[1]).toEqual(texts[0]);
});
