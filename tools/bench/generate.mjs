// The generation suite: tokens per second of one model with random weights, on onnxruntime and on the native engine with its
// weights in each storage, interleaved; and how near the native engine comes to reading memory as fast as the machine can.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeOnnxSteps } from "@tessera/checkpoint";
import { choice, list, number } from "@tessera/config";
import { chooseBackend } from "@tessera/engines";
import { createBatcher, greedy, modelEngine, onnxEngine } from "@tessera/generation";
import { storeWeights, weightStorages } from "@tessera/generation/weights";
import { preset, presetNames } from "@tessera/gpt";
import { storageBytes } from "@tessera/kernels/memory";
import { measureLimits } from "@tessera/kernels-native";
import { leaves } from "@tessera/params";
import { medianOf } from "./shared/median.mjs";
import { randomModel } from "./shared/random_model.mjs";
import { output, suite, writeResults } from "./shared/suite.mjs";
import { table } from "./shared/table.mjs";

/** @typedef {import("@tessera/generation").Engine} Engine */
/** @typedef {import("@tessera/kernels/memory").WeightStorage} WeightStorage */
/** @typedef {{ prompt: number, tokens: number }} Lengths */

const program = {
  name: "bench generate",
  summary: "Times generated text on onnxruntime and on the native engine.",
  groups: {
    Cases: {
      model: choice("which model", presetNames, "gpt2"),
      precision: choice("how the ONNX model's weights are stored", ["fp32", "fp16"], "fp32"),
      batches: list("texts that are written together (default: 1 8)", "N"),
      prompt: number("tokens of each prompt", { min: 1, whole: true }, 128),
      tokens: number("tokens that are written", { min: 2, whole: true }, 32),
      rounds: number("of each engine, after one that is not timed", { min: 1, whole: true }, 3),
    },
    Output: output,
  },
};

/** @param {unknown} error */
function failed(error) {
  throw error;
}

/**
 * Tokens per second after the prompts, all texts together.
 * @param {Engine} engine
 * @param {Lengths & { batch: number }} settings
 */
async function measureSpeed(engine, { batch, prompt, tokens }) {
  const together = createBatcher(engine, { chunk: prompt });
  let [begun, written, start] = [0, 0, 0];
  for (let row = 0; row < batch; row += 1) {
    const ids = Array.from({ length: prompt }, (_, i) => (31 * i + row) % engine.vocabularySize);
    let count = 0;
    const take = () => {
      count += 1;
      if (count === 1) begun += 1;
      if (start > 0) written += 1;
      else if (begun === batch) start = performance.now();
      return count < tokens + batch;
    };
    together.add({ prompt: ids, sampling: greedy, take, failed });
  }
  while (together.size === batch) await together.step();
  const speed = (1000 * written) / (performance.now() - start);
  while (together.size > 0) await together.step();
  return speed;
}

/**
 * The median speed of each engine, and of memory meanwhile.
 * @param {readonly Engine[]} engines
 * @param {Lengths & { batch: number, rounds: number }} settings
 */
async function interleave(engines, { rounds, ...settings }) {
  const sides = engines.map((engine) => ({ engine, speeds: /** @type {number[]} */ ([]) }));
  const bandwidths = [];
  for (let round = 0; round <= rounds; round += 1) {
    for (const { engine, speeds } of sides) {
      const speed = await measureSpeed(engine, settings);
      if (round > 0) speeds.push(speed);
    }
    bandwidths.push(measureLimits(process.env)?.bandwidth ?? NaN);
  }
  return {
    speeds: sides.map(({ speeds }) => medianOf(speeds)),
    bandwidth: medianOf(bandwidths),
  };
}

/**
 * Bytes that a step of decoding must read: all weights but those that are looked up, and all keys and values.
 * @param {ReturnType<typeof randomModel>["model"]} model
 * @param {WeightStorage} storage
 * @param {Lengths & { batch: number }} lengths
 */
function bytesOfStep({ spec, config }, storage, { batch, prompt, tokens }) {
  const lookedUp = ["embedding.position", ...(config.tiedEmbeddings ? [] : ["embedding.token"])];
  /** @type {import("@tessera/params").TreeOf<import("@tessera/params").ParamSpec>} */
  const specs = spec;
  const weights = leaves(specs)
    .filter(([path]) => !lookedUp.includes(path))
    .map(([, { shape, decay }]) =>
      storageBytes(
        decay ? storage : "fp32",
        shape.reduce((a, b) => a * b, 1),
      ),
    );
  const { layerCount, kvHeadCount, headSize } = config;
  const cached = batch * (prompt + tokens / 2) * 2 * layerCount;
  const width = kvHeadCount * headSize;
  return weights.reduce((a, b) => a + b, 0) + storageBytes("fp32", cached * width);
}

const HEADINGS = ["texts", "engine", "weights", "tokens/s", "of onnx", "GB/s", "of memory's"];

export const run = suite(program, async (flags) => {
  const { model: name, precision, batches, json, ...settings } = flags;
  const sizes = batches.length === 0 ? [1, 8] : batches.map(Number);
  const config = preset(name);
  await chooseBackend("native", process.env);
  const { model, valuesAt } = randomModel(config);
  const weights = weightStorages.map((storage) => ({
    storage,
    params: storeWeights(randomModel(config).params, model.spec, storage),
  }));
  const folder = mkdtempSync(join(tmpdir(), "tessera-bench-"));
  const results = [];
  try {
    for (const _step of writeOnnxSteps(folder, config, valuesAt, precision));
    for (const rows of sizes) {
      const engines = [
        await onnxEngine(folder, config, { rows }),
        ...weights.map(({ params }) => modelEngine(model, params, { ...model.config, rows })),
      ];
      const { speeds, bandwidth } = await interleave(engines, { ...settings, batch: rows });
      const [onnx, ...native] = speeds;
      for (const engine of engines) await engine.close();
      const about = { model: name, batch: rows, bandwidth };
      const none = { bytesPerSecond: null, ofBandwidth: null };
      const onOnnx = { engine: "onnx", weights: precision, tokensPerSecond: onnx, ratio: 1 };
      results.push({ ...about, ...onOnnx, ...none });
      weights.forEach(({ storage }, i) => {
        const bytes = bytesOfStep(model, storage, { ...settings, batch: rows });
        const bytesPerSecond = (bytes * native[i]) / rows;
        results.push({
          ...about,
          engine: "native",
          weights: storage,
          tokensPerSecond: native[i],
          ratio: native[i] / onnx,
          bytesPerSecond,
          ofBandwidth: bytesPerSecond / bandwidth,
        });
      });
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  const lines = results.map((one) => [
    String(one.batch),
    one.engine,
    one.weights,
    one.tokensPerSecond.toFixed(1),
    one.ratio.toFixed(2),
    one.bytesPerSecond === null ? "" : (one.bytesPerSecond / 1e9).toFixed(1),
    one.ofBandwidth === null ? "" : `${(100 * one.ofBandwidth).toFixed(0)}%`,
  ]);
  process.stdout.write(`${name}\n${table([HEADINGS, ...lines])}\n`);
  writeResults(json, results);
});
