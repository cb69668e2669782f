// The generation suite: tokens per second on onnxruntime beside the training backend, of the same model with
// random weights, by turns.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { enableProdMode, setBackend } from "@tensorflow/tfjs-core";
import { writingOnnx } from "@tessera/checkpoint";
import { choice, endWith, list, number, parseFlags, text } from "@tessera/config";
import { createBatcher, greedy, modelEngine, onnxEngine } from "@tessera/generation";
import { gpt, preset, presetNames } from "@tessera/gpt";
import { loadNative } from "@tessera/kernels-native";
import { leafAt, materialize } from "@tessera/params";

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
    Output: { json: text("writes the results as JSON", "FILE") },
  },
};

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** Tokens per second behind the prompts, all texts together. */
async function speedOf(engine, { batch, prompt, tokens }) {
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
    together.add({ prompt: ids, sampling: greedy, take });
  }
  while (together.size === batch) await together.step();
  const speed = (1000 * written) / (performance.now() - start);
  while (together.size > 0) await together.step();
  return speed;
}

async function measure(engines, { rounds, ...settings }) {
  const speeds = engines.map(() => []);
  for (let round = 0; round <= rounds; round += 1) {
    for (const [i, engine] of engines.entries()) {
      const speed = await speedOf(engine, settings);
      if (round > 0) speeds[i].push(speed);
    }
  }
  return speeds.map(median);
}

async function main(argv) {
  const parsed = parseFlags(program, argv);
  if ("help" in parsed) {
    process.stdout.write(parsed.help);
    return 0;
  }
  const { model: name, precision, batches, json, ...settings } = parsed.values;
  const sizes = batches.length === 0 ? [1, 8] : batches.map(Number);
  const config = preset(name);
  enableProdMode();
  loadNative(process.env);
  await setBackend("native");
  const model = gpt(config);
  const params = materialize(model.spec, 1);
  const folder = mkdtempSync(join(tmpdir(), "tessera-bench-"));
  const results = [];
  try {
    const valuesAt = (path) => leafAt(params, path).dataSync();
    for (const _step of writingOnnx(folder, config, valuesAt, precision));
    for (const rows of sizes) {
      const engines = [
        await onnxEngine(folder, config, { rows }),
        modelEngine(model, params, { ...model.config, rows }),
      ];
      const [onnx, native] = await measure(engines, { ...settings, batch: rows });
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
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(results, null, 2)}\n`);
  return 0;
}

export const run = (argv) => endWith("bench", () => main(argv));
