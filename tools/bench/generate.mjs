// The generation suite: tokens per second on onnxruntime beside the training backend, of the same model with
// random weights, interleaved.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeOnnxSteps } from "@tessera/checkpoint";
import { choice, list, number } from "@tessera/config";
import { chooseBackend } from "@tessera/engines";
import { createBatcher, greedy, modelEngine, onnxEngine } from "@tessera/generation";
import { preset, presetNames } from "@tessera/gpt";
import { medianOf } from "./shared/median.mjs";
import { randomModel } from "./shared/random_model.mjs";
import { output, suite, writeResults } from "./shared/suite.mjs";

/** @typedef {import("@tessera/generation").Engine} Engine */
/** @typedef {{ prompt: number, tokens: number }} Lengths */

const program = {
  name: "bench generate",
  summary: "Times generated text on onnxruntime and on the native backend.",
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
 * The median speed of each engine.
 * @param {readonly Engine[]} engines
 * @param {Lengths & { batch: number, rounds: number }} settings
 */
async function interleave(engines, { rounds, ...settings }) {
  const sides = engines.map((engine) => ({ engine, speeds: /** @type {number[]} */ ([]) }));
  for (let round = 0; round <= rounds; round += 1) {
    for (const { engine, speeds } of sides) {
      const speed = await measureSpeed(engine, settings);
      if (round > 0) speeds.push(speed);
    }
  }
  return sides.map(({ speeds }) => medianOf(speeds));
}

export const run = suite(program, async (flags) => {
  const { model: name, precision, batches, json, ...settings } = flags;
  const sizes = batches.length === 0 ? [1, 8] : batches.map(Number);
  const config = preset(name);
  await chooseBackend("native", process.env);
  const { model, params, valuesAt } = randomModel(config);
  const folder = mkdtempSync(join(tmpdir(), "tessera-bench-"));
  const results = [];
  try {
    for (const _step of writeOnnxSteps(folder, config, valuesAt, precision));
    for (const rows of sizes) {
      const engines = [
        await onnxEngine(folder, config, { rows }),
        modelEngine(model, params, { ...model.config, rows }),
      ];
      const [onnx, native] = await interleave(engines, { ...settings, batch: rows });
      for (const engine of engines) await engine.close();
      results.push({ model: name, precision, batch: rows, onnx, native, ratio: onnx / native });
      process.stdout.write(
        `${name}, ${rows} at once: onnx ${precision} ${onnx.toFixed(1)} tokens/s, ` +
          `native ${native.toFixed(1)}: ${(onnx / native).toFixed(2)} times\n`,
      );
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  writeResults(json, results);
});
