// A model in a folder, as its config.json says it is, whose weights are read one by one.

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "@tessera/config";
import { readJson } from "@tessera/files";
import { gpt, type GptConfig } from "@tessera/gpt";
import { shardLayout, leafAt, leaves, type ParamSpec } from "@tessera/layers";
import { UNSHARDED } from "@tessera/mesh";
import type { SafetensorsFile } from "../safetensors.js";
import { isSharded, openCheckpoint, WEIGHTS } from "../sharded/saved.js";
import { savedGptConfig } from "../saved_gpt.js";
import type { Layout } from "./layout.js";
import { layoutOfConfig } from "./layouts.js";
import { copyColumns, piecesOf, transposed, type Piece } from "./pieces.js";
import { openWeights, type StoredWeights } from "./stored_weights.js";

export interface OpenModel {
  readonly config: GptConfig;
  /** The elements of the parameter at `path`, which the model has. */
  valuesAt(path: string): Float32Array;
  close(): void;
}

const MAX_CONFIG_BYTES = 2 ** 20;

interface Described {
  readonly layout: Layout;
  readonly config: GptConfig;
}

/** What config.json in `folder` says. Throws a UserError that names the file and the key. */
export function readConfig(folder: string): Described {
  const path = join(folder, "config.json");
  if (!existsSync(path)) refuseForeign(folder);
  const json = readJson(path, MAX_CONFIG_BYTES);
  const layout = layoutOfConfig(json, path);
  return { layout, config: layout.fromConfig(json, path) };
}

/**
 * Opens the model in `folder`, which may be a checkpoint, and checks every name and shape before memory is taken. Throws a UserError
 * where something is missing, damaged, or not what config.json says.
 */
export function openModel(folder: string): OpenModel {
  return isSharded(folder) ? openSharded(folder) : openLayout(folder);
}

/** Every tensor of a checkpoint, joined from the pieces that ranks saved. */
function openSharded(folder: string): OpenModel {
  const saved = openCheckpoint(folder);
  try {
    const config = savedGptConfig(saved);
    saved.check(UNSHARDED);
    const { spec } = gpt(config);
    return {
      config,
      valuesAt: (path) =>
        saved.values(WEIGHTS, shardLayout(leafAt<ParamSpec>(spec, path)!, UNSHARDED, path)),
      close: () => saved.close(),
    };
  } catch (error) {
    saved.close();
    throw error;
  }
}

function openLayout(folder: string): OpenModel {
  const { layout, config } = readConfig(folder);
  refusePickles(folder);
  const weights = openWeights(folder);
  try {
    const specs = leaves<ParamSpec>(gpt(config).spec);
    const placed = new Map(
      specs.map(([path, { shape }]) => [
        path,
        piecesOf(layout, path, shape).map((range) => locate(weights, layout, range, folder)),
      ]),
    );
    return {
      config,
      valuesAt: (path) => joined(placed.get(path)!),
      close: () => weights.close(),
    };
  } catch (error) {
    weights.close();
    throw error;
  }
}

interface Located extends Piece {
  readonly file: SafetensorsFile;
}

/** The piece in its file, by the name that it has there. Throws where it or its shape is not. */
function locate(weights: StoredWeights, { prefix }: Layout, range: Piece, folder: string): Located {
  const names = [range.name];
  if (prefix !== "" && range.name.startsWith(prefix)) names.push(range.name.slice(prefix.length));
  const name = names.find((one) => weights.fileOf(one) !== undefined);
  const file = name === undefined ? undefined : weights.fileOf(name);
  if (name === undefined || file === undefined) {
    throw new UserError(`${folder}: its weights have no tensor ${range.name}`);
  }
  const actual = file.shapes.get(name)!;
  if (actual.join() !== range.shape.join()) {
    throw new UserError(
      `${file.path}: ${name} is [${actual.join(", ")}], config.json says [${range.shape.join(", ")}]`,
    );
  }
  return { ...range, name, file };
}

function joined(pieces: readonly Located[]): Float32Array {
  const [first] = pieces as readonly [Located];
  const stored = ({ file, name, isTransposed, rows, stored: { width } }: Located) =>
    isTransposed ? transposed(file.read(name), width, rows) : file.read(name);
  if (pieces.length === 1 && first.columns === first.stored.width) return stored(first);
  const values = new Float32Array(first.rows * first.own.width);
  for (const piece of pieces) {
    const from = { values: stored(piece), ...piece.stored };
    copyColumns(from, { values, ...piece.own }, piece.rows, piece.columns);
  }
  return values;
}

/** How files of Megatron-DeepSpeed, and of plain PyTorch, are called. */
const MEGATRON =
  /^(mp_rank_\d+.*|global_step\d+|iter_\d+|layer_\d+.*\.pt|latest_checkpointed_iteration\.txt)$/;
const PICKLES = /^(pytorch_model.*\.bin|.*\.(pt|pth|ckpt))$/;

const PICKLE_REASON =
  "which are pickled Python objects: reading them means running what they say; " +
  "save the model as safetensors in Hugging Face's layout where you trust it, and convert that";

/** Throws a UserError that says what a folder without config.json is, where it can be told. */
function refuseForeign(folder: string): void {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const found = names.find((name) => MEGATRON.test(name));
  if (found !== undefined) {
    throw new UserError(
      `${folder}: is a checkpoint of Megatron-DeepSpeed (${found}), whose weights lie in .pt files, ${PICKLE_REASON}`,
    );
  }
  refusePickles(folder);
}

/** Throws a UserError where the weights in `folder` are pickles alone. */
function refusePickles(folder: string): void {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  if (names.some((name) => /\.safetensors(\.index\.json)?$/.test(name))) return;
  const found = names.find((name) => PICKLES.test(name));
  if (found === undefined) return;
  throw new UserError(`${folder}: has its weights in files like ${found}, ${PICKLE_REASON}`);
}
