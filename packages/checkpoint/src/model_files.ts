// A model as a folder: config.json and model.safetensors. A GPT-2 lies there as `transformers` loads it;
// other models have a layout of their own.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tensor, type Tensor } from "@tensorflow/tfjs-core";
import { UserError } from "@tessera/config";
import { gpt, type GptConfig, type GptParams } from "@tessera/gpt";
import { holdingOf, leafAt, leaves, mapTree, type ParamSpec, type TreeOf } from "@tessera/layers";
import { WHOLE } from "@tessera/mesh";
import { putColumns, takeColumns } from "./columns.js";
import { fromConfigFile, isGpt2, placeOf, toConfigFile, type Place } from "./hugging_face.js";
import { fromOwnConfig, OWN_TYPE, toOwnConfig } from "./own_layout.js";
import { openSafetensors, type SafetensorsFile } from "./safetensors.js";
import { writeSafetensors, type Written } from "./safetensors_writer.js";
import { isSharded, openCheckpoint, WEIGHTS } from "./sharded/saved.js";

const MODEL = "model.safetensors";

/** The configuration of the model in `folder`, which may be a checkpoint. */
export function readModelConfig(folder: string): GptConfig {
  if (isSharded(folder)) return openCheckpoint(folder).config;
  const path = join(folder, "config.json");
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UserError(`${path}: cannot be read (${code}); a model folder has one`);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new UserError(`${path}: is not JSON`);
  }
  const { model_type: type } = (json ?? {}) as { readonly model_type?: unknown };
  return type === OWN_TYPE ? fromOwnConfig(json, path) : fromConfigFile(json, path);
}

/** Where each parameter of such a model stands. */
const placesOf = (config: GptConfig): ((path: string) => Place) =>
  isGpt2(config) ? placeOf : (path) => ({ name: path });

/** The parameters of the model in `folder`, which has `config` and may be a checkpoint. The caller owns them. */
export function readModel(folder: string, config: GptConfig): GptParams {
  return isSharded(folder) ? readWeights(folder, config) : readFile(folder, config);
}

function readWeights(folder: string, config: GptConfig): GptParams {
  const saved = openCheckpoint(folder);
  try {
    saved.check(WHOLE);
    const spec: TreeOf<ParamSpec> = gpt(config).spec;
    const holdings = mapTree(spec, (leaf: ParamSpec, path) => holdingOf(leaf, WHOLE, path));
    return saved.read(WEIGHTS, holdings) as GptParams;
  } finally {
    saved.close();
  }
}

function readFile(folder: string, config: GptConfig): GptParams {
  const file = openSafetensors(join(folder, MODEL));
  try {
    const { spec } = gpt(config);
    const placeAt = placesOf(config);
    // All names and shapes are checked before memory is taken.
    for (const [path, leaf] of leaves<ParamSpec>(spec)) nameIn(file, placeAt(path), leaf.shape);
    return mapTree(spec, (leaf: ParamSpec, path): Tensor => {
      const place = placeAt(path);
      const stored = file.read(nameIn(file, place, leaf.shape));
      const values = place.columns
        ? takeColumns(stored, place.columns, unitOf(leaf.shape))
        : stored;
      return tensor(values, [...leaf.shape]);
    });
  } finally {
    file.close();
  }
}

/** The width that parameters which share a matrix have in common. */
const unitOf = (shape: readonly number[]): number => shape.at(-1)!;

/** The shape, in Hugging Face's layout, of the tensor that holds a parameter of shape `shape`. */
function storedShape(place: Place, shape: readonly number[]): readonly number[] {
  if (place.columns === undefined) return shape;
  const width = unitOf(shape) * place.columns.of;
  return isWeight(place) ? [shape[0]!, width] : [width];
}

const isWeight = ({ name }: Place): boolean => name.endsWith("weight");

/** The tensor's name in the file, which may carry a prefix. Throws where it or its shape is not. */
function nameIn(file: SafetensorsFile, place: Place, shape: readonly number[]): string {
  const found = [place.name, `transformer.${place.name}`].find((name) => file.shapes.has(name));
  if (found === undefined) throw new UserError(`${file.path}: has no tensor ${place.name}`);
  const actual = file.shapes.get(found)!;
  const expected = storedShape(place, shape);
  if (actual.join() !== expected.join()) {
    throw new UserError(
      `${file.path}: ${found} is [${actual.join(", ")}], config.json says [${expected.join(", ")}]`,
    );
  }
  return found;
}

/** Writes config.json and model.safetensors into `folder`. */
export const writeModel = (folder: string, config: GptConfig, params: GptParams): void =>
  writeModelOf(folder, config, (path) => leafAt<Tensor>(params, path)!.dataSync<"float32">());

/** The elements of the parameter at a path. */
export type ValuesAt = (path: string, leaf: ParamSpec) => Float32Array;

/** The same of parameters that are asked for when their turn comes. */
export function writeModelOf(folder: string, config: GptConfig, valuesAt: ValuesAt): void {
  writeFileSync(
    join(folder, "config.json"),
    isGpt2(config) ? toConfigFile(config) : toOwnConfig(config),
  );
  writeSafetensors(join(folder, MODEL), tensorsOf(config, valuesAt), { format: "pt" });
}

/** The tensors of the file, each made from one parameter or from those that share it. */
function tensorsOf(config: GptConfig, valuesAt: ValuesAt): Written[] {
  const placeAt = placesOf(config);
  const byName = new Map<string, Sharer[]>();
  for (const [path, leaf] of leaves<ParamSpec>(gpt(config).spec)) {
    const place = placeAt(path);
    const sharer = { place, leaf, values: () => valuesAt(path, leaf) };
    byName.set(place.name, [...(byName.get(place.name) ?? []), sharer]);
  }
  return [...byName].map(([name, parts]) => {
    const { place, leaf } = parts[0]!;
    const shape = storedShape(place, leaf.shape);
    return { name, shape, values: () => joined(parts, shape) };
  });
}

/** A parameter that fills a tensor of the file, alone or with others. */
interface Sharer {
  readonly place: Place;
  readonly leaf: ParamSpec;
  readonly values: () => Float32Array;
}

function joined(parts: readonly Sharer[], shape: readonly number[]): Float32Array {
  const [only] = parts;
  if (parts.length === 1 && only) return only.values();
  const wide = new Float32Array(shape.reduce((a, b) => a * b, 1));
  for (const { place, leaf, values } of parts) {
    putColumns(wide, values(), place.columns!, unitOf(leaf.shape));
  }
  return wide;
}
