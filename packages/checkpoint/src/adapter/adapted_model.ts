// Models with LoRA: a model and an adapter of it, a model and fresh matrices, and the model that they are merged into.

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Tensor } from "@tensorflow/tfjs-core";
import { UserError } from "@tessera/config";
import { readJson } from "@tessera/files";
import { gpt, gptConfig, type GptConfig } from "@tessera/gpt";
import { loraScale, projectionsOf, withoutLora, type LoraConfig } from "@tessera/gpt/lora";
import { leafAt, materialize, type ParamSpec } from "@tessera/params";
import { transpose } from "../hugging_face/columns.js";
import type { OpenModel } from "../hugging_face/open_model.js";
import { openSafetensors, type SafetensorsFile } from "../safetensors.js";
import { loraOf, parseAdapterConfig, type AdapterFile } from "./adapter_config.js";
import { loraMatrices, parseLoraPath, projectionIndex, type LoraMatrix } from "./adapter_names.js";

export const ADAPTER_CONFIG = "adapter_config.json";
export const ADAPTER_WEIGHTS = "adapter_model.safetensors";
const MAX_CONFIG_BYTES = 2 ** 20;

/**
 * The configuration of the adapter of a model of `config` in `folder`, in PEFT's form.
 * @throws UserError where it is missing, damaged, asks for what is not supported, or is of another model.
 */
export function readAdapterConfig(folder: string, config: GptConfig): LoraConfig {
  const opened = openAdapter(folder, config);
  opened.weights.close();
  return opened.lora;
}

/**
 * `model` with the adapter in `folder`. Closing it closes `model` too.
 * @throws UserError where it is missing, damaged, asks for what is not supported, or is of another model.
 */
export function withAdapter(model: OpenModel, folder: string): OpenModel {
  refuseAdapted(model.config, `--adapter ${folder}`);
  const { lora, weights, matrices } = openAdapter(folder, model.config);
  const byPath = new Map(matrices.map((matrix) => [matrix.path, matrix]));
  return {
    config: { ...model.config, lora },
    valuesAt(path) {
      const matrix = byPath.get(path);
      if (matrix === undefined) return model.valuesAt(path);
      const { shape, tensor } = matrix;
      return transpose(weights.read(tensor), shape[1], shape[0]);
    },
    close() {
      weights.close();
      model.close();
    },
  };
}

/** `model` with fresh matrices, a function of `seed` as all initial weights are. */
export function withFreshLora(model: OpenModel, lora: LoraConfig, seed: number): OpenModel {
  refuseAdapted(model.config, "LoRA");
  const config = gptConfig({ ...model.config, lora });
  const { spec } = gpt(config);
  return {
    config,
    valuesAt(path) {
      if (parseLoraPath(path) === null) return model.valuesAt(path);
      const one = { [path]: leafAt<ParamSpec>(spec, path)! };
      const fresh = materialize<Readonly<Record<string, Tensor>>>(one, seed)[path]!;
      const values = fresh.dataSync<"float32">().slice();
      fresh.dispose();
      return values;
    },
    close: () => model.close(),
  };
}

/** @throws UserError where a model of `config` has LoRA. */
function refuseAdapted({ lora }: GptConfig, what: string): void {
  if (lora === undefined) return;
  throw new UserError(
    `${what}: the model has adapters already; merge them into it with tessera convert, and take what it writes`,
  );
}

/** `model`, whose weights have the products of LoRA added to them; or itself if it has none. */
export function mergeLora(model: OpenModel): OpenModel {
  const { lora } = model.config;
  if (lora === undefined) return model;
  const config = withoutLora(model.config);
  const { spec } = gpt(model.config);
  return {
    config,
    valuesAt(path) {
      const weight = model.valuesAt(path);
      const linear = path.endsWith(".weight") ? path.slice(0, -".weight".length) : "";
      const adapted = projectionsOf(config.activation).filter(
        (name) => leafAt(spec, `${linear}.lora.${name}.a`) !== undefined,
      );
      for (const projection of adapted) {
        const at = `${linear}.lora.${projection}`;
        const [inFeatures] = leafAt<ParamSpec>(spec, `${at}.a`)!.shape as [number];
        const [rank, width] = leafAt<ParamSpec>(spec, `${at}.b`)!.shape as [number, number];
        addProduct(weight, {
          a: model.valuesAt(`${at}.a`),
          b: model.valuesAt(`${at}.b`),
          sizes: [inFeatures, rank, width],
          first: projectionIndex(projection, config) * width,
          scale: loraScale(lora),
        });
      }
      return weight;
    },
    close: () => model.close(),
  };
}

interface ScaledProduct {
  readonly a: Float32Array;
  readonly b: Float32Array;
  /** A is [in, rank], B [rank, width]. */
  readonly sizes: readonly [inFeatures: number, rank: number, width: number];
  /** The first column of the sum. */
  readonly first: number;
  readonly scale: number;
}

/** Adds scale x A B to columns of `weight` [in, columns], each sum in fp64. */
function addProduct(weight: Float32Array, product: ScaledProduct): void {
  const { a, b, sizes, first, scale } = product;
  const [inFeatures, rank, width] = sizes;
  const columns = weight.length / inFeatures;
  const sums = new Float64Array(width);
  for (let row = 0; row < inFeatures; row += 1) {
    sums.fill(0);
    for (let k = 0; k < rank; k += 1) {
      const factor = scale * a[row * rank + k]!;
      for (let i = 0; i < width; i += 1) sums[i]! += factor * b[k * width + i]!;
    }
    const start = row * columns + first;
    for (let i = 0; i < width; i += 1) weight[start + i]! += sums[i]!;
  }
}

interface OpenAdapter {
  readonly lora: LoraConfig;
  readonly weights: SafetensorsFile;
  readonly matrices: readonly LoraMatrix[];
}

function openAdapter(folder: string, config: GptConfig): OpenAdapter {
  const path = join(folder, ADAPTER_CONFIG);
  if (!existsSync(path)) {
    throw new UserError(`${folder}: is no adapter: it has no ${ADAPTER_CONFIG}; check the path`);
  }
  const file = parseAdapterConfig(readJson(path, MAX_CONFIG_BYTES), path);
  const weights = openSafetensors(join(folder, ADAPTER_WEIGHTS));
  try {
    return { weights, ...matchTensors(weights, file, config) };
  } catch (error) {
    weights.close();
    throw error;
  }
}

/** Which projections the tensors of an adapter are of. Every layer has those of one. */
function matchTensors(weights: SafetensorsFile, file: AdapterFile, config: GptConfig) {
  const known = projectionsOf(config.activation);
  const all = known.flatMap((projection) =>
    loraMatrices({ ...config, lora: loraOf(file, [projection]) }),
  );
  const byTensor = new Map(all.map((matrix) => [matrix.tensor, matrix]));
  for (const name of weights.shapes.keys()) {
    const matrix = byTensor.get(name);
    if (matrix === undefined) {
      throw new UserError(
        `${weights.path}: ${name}: the model has no such linear layer, or none that can be adapted`,
      );
    }
    checkTarget(weights.path, file, matrix);
  }
  const targets = known.filter((projection) =>
    all.some((matrix) => matrix.projection === projection && weights.shapes.has(matrix.tensor)),
  );
  const lora = loraOf(file, targets);
  const matrices = loraMatrices(gptConfig({ ...config, lora }));
  for (const { tensor, shape } of matrices) checkShape(weights, tensor, [shape[1], shape[0]]);
  return { lora, matrices };
}

/** PEFT would leave a matrix unread that its configuration does not name. */
function checkTarget(
  path: string,
  { target_modules: targets }: AdapterFile,
  { module, tensor }: LoraMatrix,
): void {
  if (targets === "all-linear") return;
  if (targets.some((name) => module === name || module.endsWith(`.${name}`))) return;
  throw new UserError(
    `${path}: ${tensor}: target_modules of ${ADAPTER_CONFIG} do not name its layer, ${module}`,
  );
}

function checkShape(
  { path, shapes }: SafetensorsFile,
  tensor: string,
  expected: readonly number[],
): void {
  const actual = shapes.get(tensor);
  if (actual === undefined) {
    throw new UserError(
      `${path}: has no tensor ${tensor}: adapters of some layers alone are not supported`,
    );
  }
  if (actual.join() === expected.join()) return;
  throw new UserError(
    `${path}: ${tensor} is [${actual.join(", ")}], the model and ${ADAPTER_CONFIG} say [${expected.join(", ")}]`,
  );
}
