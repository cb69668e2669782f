// Models: safetensors files, folders in Hugging Face's layout, and ONNX.

import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  findOnnx,
  openModel,
  openSafetensors,
  readModelConfig,
  writeOnnxSteps,
  writeSafetensors,
} from "@tessera/checkpoint";
import { readSpecialTokenIds } from "@tessera/checkpoint/specials";
import { gpt } from "@tessera/gpt";
import { leaves, type ParamSpec } from "@tessera/params";
import { mutate, mutateJson, type RandomNumber } from "@tessera/testing";
import type { Target } from "./series.js";

const LLAMA = join(__dirname, "../../../../../fixtures/hugging-face/llama");

const WORDS = [
  ...["[", "]", "{", "}", '"', ",", ":", "-1", "1e99", "0", "9007199254740993", "null"],
  ...["__proto__", "F16", "BF16", "I64", "../../x", "\u0000", "\ud800", "llama", "gpt2", "gptj"],
];

/** Reads all that a file of `size` bytes says it holds. Throws where that is a byte more than there is. */
function readTensors(path: string, size: number): void {
  const opened = openSafetensors(path);
  try {
    let read = 0;
    for (const [name, shape] of opened.shapes) {
      const values = opened.read(name);
      const expected = shape.reduce((a, b) => a * b, 1);
      if (values.length !== expected) throw new Error(`${name}: has ${values.length} elements`);
      if (!isOutside(() => opened.read(name, values.length, 1))) {
        throw new Error(`${name}: is read behind its end`);
      }
      opened.checksum(name);
      read += values.byteLength;
    }
    if (read > 2 * size) throw new Error(`${read} bytes of ${size}`); // 16-bit floats are widened
  } finally {
    opened.close();
  }
}

function isOutside(read: () => unknown): boolean {
  try {
    read();
    return false;
  } catch (error) {
    return error instanceof RangeError;
  }
}

export function safetensors(folder: string): Target {
  const path = join(folder, "made.safetensors");
  const shapes = { a: [2, 3], "blocks.0.weight": [4], scalar: [] };
  const tensors = Object.entries(shapes).map(([name, shape]) => ({
    name,
    shape,
    values: () => new Float32Array(shape.reduce((x, y) => x * y, 1)).fill(7),
  }));
  writeSafetensors(path, tensors, { format: "pt" });
  const file = readFileSync(path);
  return {
    name: "safetensors",
    share: 60,
    read(draw) {
      const bytes = mutate(file, draw, { words: WORDS });
      writeFileSync(path, bytes);
      readTensors(path, bytes.length);
    },
  };
}

/** A folder in Hugging Face's layout, in one file or in shards behind an index. */
export function modelFolder(folder: string): Target {
  const model = join(folder, "model");
  mkdirSync(model);
  const config = readFileSync(join(LLAMA, "config.json"));
  const weights = readFileSync(join(LLAMA, "model.safetensors"));
  const head = 8 + Number(weights.readBigUInt64LE());
  const opened = openSafetensors(join(LLAMA, "model.safetensors"));
  const shard = "model-00001-of-00001.safetensors";
  const names = [...opened.shapes.keys()];
  opened.close();
  const index = {
    metadata: { total_size: weights.length - head },
    weight_map: Object.fromEntries(names.map((name) => [name, shard])),
  };
  const generation = { bos_token_id: 1, eos_token_id: [2, 3], pad_token_id: null };
  const json = (value: object, draw: RandomNumber, isTarget: boolean): string =>
    isTarget ? mutateJson(value, draw, WORDS) : JSON.stringify(value);
  return {
    name: "a model's folder",
    share: 8,
    read(draw) {
      const target = Math.floor(4 * draw());
      const isSharded = target === 1 || draw() < 0.3;
      for (const name of ["model.safetensors", "model.safetensors.index.json", shard]) {
        rmSync(join(model, name), { force: true });
      }
      const put = (name: string, content: string | Uint8Array): void =>
        writeFileSync(join(model, name), content);
      put("config.json", json(JSON.parse(config.toString()) as object, draw, target === 0));
      put("generation_config.json", json(generation, draw, target === 2));
      const bytes = target === 3 ? mutate(weights, draw, { head, words: WORDS }) : weights;
      put(isSharded ? shard : "model.safetensors", bytes);
      if (isSharded) put("model.safetensors.index.json", json(index, draw, target === 1));
      readWeights(model);
    },
  };
}

function readWeights(folder: string): void {
  const model = openModel(folder);
  try {
    const { config } = model;
    readSpecialTokenIds(folder, config.vocabularySize, { bos: null, eos: [], pad: null });
    for (const [path, { shape }] of leaves<ParamSpec>(gpt(config).spec)) {
      const { length } = model.valuesAt(path);
      const size = shape.reduce((a, b) => a * b, 1);
      if (length !== size) throw new Error(`${path}: has ${length} elements, its shape ${size}`);
    }
  } finally {
    model.close();
  }
}

/** An exported folder, of which neither the graph nor the sizes of its data can be others than the configuration's. */
export function onnxFolder(folder: string): Target {
  const model = join(folder, "onnx");
  mkdirSync(model);
  const config = readFileSync(join(LLAMA, "config.json"));
  copyFileSync(join(LLAMA, "config.json"), join(model, "config.json"));
  const values = new Map<string, Float32Array>();
  const whole = readModelConfig(model);
  for (const [path, { shape }] of leaves<ParamSpec>(gpt(whole).spec)) {
    values.set(path, new Float32Array(shape.reduce((a, b) => a * b, 1)));
  }
  for (const _progress of writeOnnxSteps(model, whole, (path) => values.get(path)!, "fp32"));
  const graph = readFileSync(join(model, "model.onnx"));
  return {
    name: "an ONNX folder",
    share: 1,
    read(draw) {
      const isConfig = draw() < 0.5;
      const said = isConfig ? mutateJson(JSON.parse(config.toString()), draw, WORDS) : config;
      writeFileSync(join(model, "config.json"), said);
      writeFileSync(join(model, "model.onnx"), isConfig ? graph : mutate(graph, draw));
      findOnnx(model, readModelConfig(model));
    },
  };
}
