// A model in a folder, as its config.json says it is, whose weights are read one by one.

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "@tessera/config";
import { readJson } from "@tessera/files";
import { gpt, type GptConfig } from "@tessera/gpt";
import { shardLayout, leafAt, leaves, type ParamSpec } from "@tessera/params";
import { UNSHARDED } from "@tessera/mesh";
import type { SafetensorsFile } from "../safetensors.js";
import { isSharded, openCheckpoint, WEIGHTS } from "../sharded/open_checkpoint.js";
import { savedGptConfig } from "../saved_gpt.js";
import { columnBlocks, copyColumns, transpose, type ColumnBlock } from "./columns.js";
import { familyOf } from "./families.js";
import type { HfFamily } from "./family.js";
import { openWeights, type StoredWeights } from "./stored_weights.js";

/** A model whose weights are read one by one. */
export interface OpenModel {
  readonly config: GptConfig;
  /** The elements of the parameter at `path`, in fp32, in the order of its global shape. */
  valuesAt(path: string): Float32Array;
  close(): void;
}

const MAX_CONFIG_BYTES = 2 ** 20;

interface ConfigFile {
  readonly family: HfFamily;
  readonly config: GptConfig;
}

/**
 * The configuration in config.json of `folder`, and the family it is of.
 *
 * @throws UserError that names the file and the key.
 */
export function readConfig(folder: string): ConfigFile {
  const path = join(folder, "config.json");
  if (!existsSync(path)) refuseForeign(folder);
  const json = readJson(path, MAX_CONFIG_BYTES);
  const family = familyOf(json, path);
  return { family, config: family.fromConfig(json, path) };
}

/**
 * Opens the model in `folder`, which may be a training checkpoint, and checks every name and shape before memory is
 * taken.
 *
 * @throws UserError where something is missing, damaged, or not what config.json says.
 */
export function openModel(folder: string): OpenModel {
  return isSharded(folder) ? openSharded(folder) : openHuggingFace(folder);
}

/** A training checkpoint, whose parameters are put together from what ranks saved. */
function openSharded(folder: string): OpenModel {
  const saved = openCheckpoint(folder);
  try {
    const config = savedGptConfig(saved);
    saved.verify(UNSHARDED);
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

function openHuggingFace(folder: string): OpenModel {
  const { family, config } = readConfig(folder);
  refusePickles(folder);
  const weights = openWeights(folder);
  try {
    const blocks = leaves<ParamSpec>(gpt(config).spec).map(([path, { shape }]) => {
      const stored = columnBlocks(family, path, shape);
      return [path, stored.map((block) => findBlock(weights, family, block, folder))] as const;
    });
    const byPath = new Map(blocks);
    return {
      config,
      valuesAt: (path) => readBlocks(byPath.get(path)!),
      close: () => weights.close(),
    };
  } catch (error) {
    weights.close();
    throw error;
  }
}

interface FoundBlock extends ColumnBlock {
  readonly file: SafetensorsFile;
}

/** `block` and the file that has its tensor. Throws a UserError where there is none, or its shape is another. */
function findBlock(
  weights: StoredWeights,
  { prefix }: HfFamily,
  block: ColumnBlock,
  folder: string,
): FoundBlock {
  const names = [block.name];
  if (prefix !== "" && block.name.startsWith(prefix)) names.push(block.name.slice(prefix.length));
  const name = names.find((one) => weights.fileOf(one) !== undefined);
  const file = name === undefined ? undefined : weights.fileOf(name);
  if (name === undefined || file === undefined) {
    throw new UserError(`${folder}: its weights have no tensor ${block.name}`);
  }
  const actual = file.shapes.get(name)!;
  if (actual.join() !== block.shape.join()) {
    throw new UserError(
      `${file.path}: ${name} is [${actual.join(", ")}], config.json says [${block.shape.join(", ")}]`,
    );
  }
  return { ...block, name, file };
}

/** The values of a parameter. */
function readBlocks(blocks: readonly FoundBlock[]): Float32Array {
  const [first] = blocks as readonly [FoundBlock];
  const read = ({ file, name, isTransposed, rows, stored: { width } }: FoundBlock) =>
    isTransposed ? transpose(file.read(name), width, rows) : file.read(name);
  if (blocks.length === 1 && first.columns === first.stored.width) return read(first);
  const values = new Float32Array(first.rows * first.own.width);
  for (const block of blocks) {
    const from = { values: read(block), ...block.stored };
    copyColumns(from, { values, ...block.own }, block.rows, block.columns);
  }
  return values;
}

/** Names of the files of Megatron-DeepSpeed, and of plain PyTorch. */
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
