// A model in a folder, as its config.json says it is, whose weights are read one by one.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "@tessera/config";
import { readJson } from "@tessera/files";
import { gpt, type GptConfig } from "@tessera/gpt";
import { shardLayout, leafAt, leaves, type ParamSpec } from "@tessera/params";
import { UNSHARDED } from "@tessera/mesh";
import { isSharded, openCheckpoint, WEIGHTS } from "../sharded/open_checkpoint.js";
import { savedGptConfig } from "../saved_gpt.js";
import {
  refuseAdapter,
  refuseForeign,
  refuseOtherWeights,
  refuseUnsupported,
} from "./check_folder.js";
import { columnBlocks, copyColumns, rememberLast, transpose, type ColumnBlock } from "./columns.js";
import { familyOf } from "./families.js";
import type { HfFamily } from "./family.js";
import { openWeights, type StoredTensor, type StoredWeights } from "./stored_weights.js";

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
  refuseAdapter(folder);
  const family = familyOf(json, path);
  refuseUnsupported(json as Readonly<Record<string, unknown>>, path, family.obeys);
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
  refuseOtherWeights(folder);
  const weights = openWeights(folder);
  try {
    const blocks = leaves<ParamSpec>(gpt(config).spec).map(([path, { shape }]) => {
      const stored = columnBlocks({ family, heads: config.headCount }, path, shape);
      return [path, stored.map((block) => findBlock(weights, family, block, folder))] as const;
    });
    const used = blocks.flatMap(([, stored]) => stored.map(({ tensor }) => tensor));
    refuseUnused(weights, family, new Set(used), folder);
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
  readonly tensor: StoredTensor;
}

/** The tensor `name`, which may lack the family's prefix. */
const findTensor = ({ tensors }: StoredWeights, { prefix }: HfFamily, name: string) =>
  tensors.get(name) ??
  (name.startsWith(prefix) ? tensors.get(name.slice(prefix.length)) : undefined);

/** `block` and its tensor. Throws a UserError where there is none, or its shape is another. */
function findBlock(
  weights: StoredWeights,
  family: HfFamily,
  block: ColumnBlock,
  folder: string,
): FoundBlock {
  const tensor = findTensor(weights, family, block.name);
  if (tensor === undefined) {
    throw new UserError(`${folder}: its weights have no tensor ${block.name}`);
  }
  const { file, name } = tensor;
  const actual = file.shapes.get(name)!;
  if (actual.join() !== block.shape.join()) {
    throw new UserError(
      `${file.path}: ${name} is [${actual.join(", ")}], config.json says [${block.shape.join(", ")}]`,
    );
  }
  return { ...block, tensor };
}

/** Tensors that config.json has no place for are of another model than it says. Throws a UserError. */
function refuseUnused(
  weights: StoredWeights,
  family: HfFamily,
  used: ReadonlySet<StoredTensor>,
  folder: string,
): void {
  const head = family.tiedHead;
  const unused = [...weights.tensors].filter(
    ([name, tensor]) => !used.has(tensor) && name !== head?.name && !family.isBuffer(name),
  );
  if (unused.length > 0) {
    const names = unused.slice(0, 3).map(([name]) => name);
    const more = unused.length > 3 ? ` and ${unused.length - 3} more` : "";
    throw new UserError(
      `${folder}: its weights have ${names.join(", ")}${more}, which its config.json has no place for; ` +
        "correct config.json, or leave them out",
    );
  }
  const stored = head && weights.tensors.get(head.name);
  if (!head || !stored || used.has(stored)) return;
  const table = findTensor(weights, family, head.table)!;
  if (stored.file.checksum(stored.name) === table.file.checksum(table.name)) return;
  throw new UserError(
    `${stored.file.path}: ${stored.name} is not ${table.name}, though config.json ties them; ` +
      "set tie_word_embeddings to false there if the head is meant to differ",
  );
}

/** The values of a parameter. */
function readBlocks(blocks: readonly FoundBlock[]): Float32Array {
  const [first] = blocks as readonly [FoundBlock];
  const { isTransposed, rows, stored } = first;
  // Blocks of one tensor are next to each other.
  const read = rememberLast(({ file, name }: StoredTensor) =>
    isTransposed ? transpose(file.read(name), stored.width, rows) : file.read(name),
  );
  if (blocks.length === 1 && first.columns === stored.width) return read(first.tensor);
  const values = new Float32Array(first.rows * first.own.width);
  for (const block of blocks) {
    const from = { values: read(block.tensor), ...block.stored };
    copyColumns(from, { values, ...block.own }, block.rows, block.columns);
  }
  return values;
}
