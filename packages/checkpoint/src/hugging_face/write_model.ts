// Writes a model into a folder: config.json, and its weights in one file or in several with an index.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { gpt, type GptConfig } from "@tessera/gpt";
import { leaves, type ParamSpec } from "@tessera/params";
import type { Dtype } from "../dtype.js";
import { tensorBytes, writeSafetensorsSteps, type TensorToWrite } from "../safetensors_writer.js";
import {
  columnBlocks,
  copyColumns,
  rememberLast,
  isWholeTensor,
  transpose,
  type ColumnBlock,
} from "./columns.js";
import { familyFor } from "./families.js";
import {
  noSpecialTokens,
  specialTokenKeys,
  writeGenerationConfig,
  type SpecialTokenIds,
} from "./special_token_ids.js";
import { MODEL_FILE, MODEL_INDEX } from "./stored_weights.js";

/** The elements of the parameter at a path, in fp32. Called for one after the other. */
export type ValuesAt = (path: string, leaf: ParamSpec) => Float32Array;

/** What is written beside the architecture. */
export interface ConfigOptions {
  /** Of the weights beside it. Default: F32. */
  readonly dtype?: Dtype;
  /** What begins, ends and pads texts. Default: nothing. */
  readonly specials?: SpecialTokenIds;
  /** A folder whose generation_config.json is kept, but for these ids. Default: none. */
  readonly generationFrom?: string | undefined;
}

/** How a model is written. */
export interface WriteModelOptions extends ConfigOptions {
  /** Weights that are larger are split into several files. Default: 5 GB, as in `transformers`. */
  readonly maxShardBytes?: number;
}

/** How much of the weights is written. */
export interface WriteProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

const TORCH_NAMES: Readonly<Record<Dtype, string>> = {
  F32: "float32",
  F16: "float16",
  BF16: "bfloat16",
};

const SHARD_BYTES = 5e9; // 5 GB

/** Writes config.json and generation_config.json into `folder`. */
export function writeConfig(
  folder: string,
  config: GptConfig,
  { dtype = "F32", specials = noSpecialTokens, generationFrom }: ConfigOptions = {},
): void {
  const json = {
    ...familyFor(config).toConfig(config),
    ...specialTokenKeys(specials),
    torch_dtype: TORCH_NAMES[dtype],
  };
  writeFileSync(join(folder, "config.json"), `${JSON.stringify(json, null, 2)}\n`);
  writeGenerationConfig(folder, specials, generationFrom);
}

/**
 * Writes a model into `folder`. Yields after each tensor how far it is; the caller may stop there.
 *
 * @throws UserError where a file cannot be written.
 */
export function* writeModelSteps(
  folder: string,
  config: GptConfig,
  valuesAt: ValuesAt,
  { maxShardBytes = SHARD_BYTES, ...options }: WriteModelOptions = {},
): Generator<WriteProgress, void> {
  const { dtype = "F32" } = options;
  writeConfig(folder, config, options);
  const tensors = listTensors(config, valuesAt);
  const sizes = tensors.map((tensor) => tensorBytes(tensor, dtype));
  const totalBytes = sizes.reduce((a, b) => a + b, 0);
  const shards = splitIntoShards(tensors, sizes, maxShardBytes);
  const digits = (n: number): string => String(n).padStart(5, "0");
  const nameOf = (i: number): string =>
    shards.length === 1
      ? MODEL_FILE
      : `model-${digits(i + 1)}-of-${digits(shards.length)}.safetensors`;
  let before = 0;
  for (const [i, shard] of shards.entries()) {
    const path = join(folder, nameOf(i));
    let done = 0;
    for (done of writeSafetensorsSteps(path, shard, { metadata: { format: "pt" }, dtype })) {
      yield { doneBytes: before + done, totalBytes };
    }
    before += done;
  }
  if (shards.length === 1) return;
  const map = shards.flatMap((shard, i) => shard.map(({ name }) => [name, nameOf(i)] as const));
  const index = { metadata: { total_size: totalBytes }, weight_map: Object.fromEntries(map) };
  writeFileSync(join(folder, MODEL_INDEX), `${JSON.stringify(index, null, 2)}\n`);
}

function splitIntoShards(
  tensors: readonly TensorToWrite[],
  sizes: readonly number[],
  maxBytes: number,
): readonly (readonly TensorToWrite[])[] {
  const shards: TensorToWrite[][] = [[]];
  let bytes = 0;
  tensors.forEach((tensor, i) => {
    const isFull = bytes > 0 && bytes + sizes[i]! > maxBytes;
    if (isFull) shards.push([]);
    bytes = (isFull ? 0 : bytes) + sizes[i]!;
    shards.at(-1)!.push(tensor);
  });
  return shards;
}

/** A block of a parameter, which fills a tensor of the file alone or with others. */
interface ParameterBlock extends ColumnBlock {
  readonly values: () => Float32Array;
}

/** The tensors of the file, in the order of the model's parameters. */
function listTensors(config: GptConfig, valuesAt: ValuesAt): readonly TensorToWrite[] {
  const family = familyFor(config);
  const byName = new Map<string, ParameterBlock[]>();
  for (const [path, leaf] of leaves<ParamSpec>(gpt(config).spec)) {
    const values = () => valuesAt(path, leaf);
    for (const block of columnBlocks({ family, heads: config.headCount }, path, leaf.shape)) {
      byName.set(block.name, [...(byName.get(block.name) ?? []), { ...block, values }]);
    }
  }
  return [...byName].map(([name, blocks]) => ({
    name,
    shape: blocks[0]!.shape,
    values: () => concatBlocks(blocks),
  }));
}

function concatBlocks(blocks: readonly ParameterBlock[]): Float32Array {
  const [first] = blocks as readonly [ParameterBlock];
  if (blocks.length === 1 && isWholeTensor(first)) return first.values();
  const { rows, isTransposed } = first;
  const { width } = first.stored;
  const values = new Float32Array(rows * width);
  // Blocks of one parameter are next to each other.
  const valuesOf = rememberLast((make: ParameterBlock["values"]) => make());
  for (const block of blocks) {
    const from = { values: valuesOf(block.values), ...block.own };
    copyColumns(from, { values, ...block.stored }, rows, block.columns);
  }
  return isTransposed ? transpose(values, rows, width) : values;
}
