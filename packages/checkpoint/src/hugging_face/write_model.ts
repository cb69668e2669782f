// Writing a model into a folder: config.json, and its weights in one file or in several with an index.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { gpt, type GptConfig } from "@tessera/gpt";
import { leaves, type ParamSpec } from "@tessera/layers";
import type { Dtype } from "../dtype.js";
import { bytesOf, writingSafetensors, type Written } from "../safetensors_writer.js";
import { layoutFor } from "./layouts.js";
import { copyColumns, isWhole, piecesOf, transposed, type Piece } from "./pieces.js";
import { MODEL_FILE, MODEL_INDEX } from "./stored_weights.js";

/** The elements of the parameter at a path; asked for one after the other. */
export type ValuesAt = (path: string, leaf: ParamSpec) => Float32Array;

export interface WriteModelOptions {
  readonly dtype?: Dtype;
  /** Where the weights are larger, they lie in several files. */
  readonly maxShardBytes?: number;
}

/** How much of a file is written. */
export interface WriteProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

const TORCH_NAMES: Readonly<Record<Dtype, string>> = {
  F32: "float32",
  F16: "float16",
  BF16: "bfloat16",
};

/** 5 GB, as other programs have it. */
const SHARD_BYTES = 5e9;

/** Writes config.json into `folder`. */
export function writeConfig(folder: string, config: GptConfig, dtype: Dtype = "F32"): void {
  const said = { ...layoutFor(config).toConfig(config), torch_dtype: TORCH_NAMES[dtype] };
  writeFileSync(join(folder, "config.json"), `${JSON.stringify(said, null, 2)}\n`);
}

/** Writes a model step by step: after each it says how far it is, and may be left. */
export function* writingModel(
  folder: string,
  config: GptConfig,
  valuesAt: ValuesAt,
  { dtype = "F32", maxShardBytes = SHARD_BYTES }: WriteModelOptions = {},
): Generator<WriteProgress, void> {
  writeConfig(folder, config, dtype);
  const tensors = tensorsOf(config, valuesAt);
  const sizes = tensors.map((tensor) => bytesOf(tensor, dtype));
  const totalBytes = sizes.reduce((a, b) => a + b, 0);
  const shards = shardsOf(tensors, sizes, maxShardBytes);
  const digits = (n: number): string => String(n).padStart(5, "0");
  const nameOf = (i: number): string =>
    shards.length === 1
      ? MODEL_FILE
      : `model-${digits(i + 1)}-of-${digits(shards.length)}.safetensors`;
  let before = 0;
  for (const [i, shard] of shards.entries()) {
    const path = join(folder, nameOf(i));
    let done = 0;
    for (done of writingSafetensors(path, shard, { metadata: { format: "pt" }, dtype })) {
      yield { doneBytes: before + done, totalBytes };
    }
    before += done;
  }
  if (shards.length === 1) return;
  const map = shards.flatMap((shard, i) => shard.map(({ name }) => [name, nameOf(i)] as const));
  const index = { metadata: { total_size: totalBytes }, weight_map: Object.fromEntries(map) };
  writeFileSync(join(folder, MODEL_INDEX), `${JSON.stringify(index, null, 2)}\n`);
}

function shardsOf(
  tensors: readonly Written[],
  sizes: readonly number[],
  maxBytes: number,
): readonly (readonly Written[])[] {
  const shards: Written[][] = [[]];
  let bytes = 0;
  tensors.forEach((tensor, i) => {
    const isFull = bytes > 0 && bytes + sizes[i]! > maxBytes;
    if (isFull) shards.push([]);
    bytes = (isFull ? 0 : bytes) + sizes[i]!;
    shards.at(-1)!.push(tensor);
  });
  return shards;
}

/** A parameter that fills a tensor of the file, alone or with others. */
interface Part extends Piece {
  readonly values: () => Float32Array;
}

/** The tensors of the file, in the order of the model's parameters. */
function tensorsOf(config: GptConfig, valuesAt: ValuesAt): readonly Written[] {
  const layout = layoutFor(config);
  const byName = new Map<string, Part[]>();
  for (const [path, leaf] of leaves<ParamSpec>(gpt(config).spec)) {
    for (const range of piecesOf(layout, path, leaf.shape)) {
      const part = { ...range, values: () => valuesAt(path, leaf) };
      byName.set(range.name, [...(byName.get(range.name) ?? []), part]);
    }
  }
  return [...byName].map(([name, parts]) => ({
    name,
    shape: parts[0]!.shape,
    values: () => joined(parts),
  }));
}

function joined(parts: readonly Part[]): Float32Array {
  const [first] = parts as readonly [Part];
  if (parts.length === 1 && isWhole(first)) return first.values();
  const { rows, isTransposed } = first;
  const { width } = first.stored;
  const values = new Float32Array(rows * width);
  for (const shard of parts) {
    const from = { values: shard.values(), ...shard.own };
    copyColumns(from, { values, ...shard.stored }, rows, shard.columns);
  }
  return isTransposed ? transposed(values, rows, width) : values;
}
