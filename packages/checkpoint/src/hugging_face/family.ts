// A family of models as Hugging Face's files have it: what config.json calls each field of a GPT's configuration, and
// the names and shapes of its tensors.

import type { GptConfig } from "@tessera/gpt";
import type * as v from "valibot";
import { canWrite, parse, readFields, writeFields, type FieldMap } from "./fields.js";

/**
 * The tensor or tensors that hold a parameter: one of its own; several that hold an equal group of its columns each; or
 * groups of columns `first` to `first + count` of the `of` equal groups of a fused tensor.
 */
export type HfName =
  | string
  | readonly string[]
  | {
      readonly fused: string;
      readonly first: number;
      readonly count: number;
      readonly of: number;
    };

/** By path, or by the end of a path in a block; `LAYER` in a name is the number of the block. */
export type HfNames = Readonly<Record<string, HfName>>;

export interface HfFamily {
  /** The `model_type` of config.json. */
  readonly modelType: string;
  /** A prefix of names that files may leave out; empty for none. */
  readonly prefix: string;
  /** Whether config.json can express all of `config`: read again, it is the same. */
  fits(config: GptConfig): boolean;
  /** The tensors of the parameter at `path`; undefined where the family has no such parameter. */
  nameOf(path: string): HfName | undefined;
  /** Whether a tensor is stored as [out, in]; our matrices are [in, out]. */
  isTransposed(name: string): boolean;
  /**
   * The configuration that config.json at `path` says.
   *
   * @throws UserError that names `path` and the key.
   */
  fromConfig(json: unknown, path: string): GptConfig;
  /** What config.json says of `config`. */
  toConfig(config: GptConfig): Readonly<Record<string, unknown>>;
}

/** A family by its tables. */
export interface FamilyTables {
  readonly modelType: string;
  /** The class in `transformers`. */
  readonly architecture: string;
  readonly prefix?: string;
  /** In the order in which config.json is written. */
  readonly fields: FieldMap;
  /** Other keys, which must have one value. Default: none. */
  readonly requires?: v.GenericSchema;
  /** Tensors outside blocks, by path. */
  readonly top: HfNames;
  /** Tensors of a block, by the path in it. */
  readonly block: HfNames;
  /** Names of tensors stored as [out, in]. Default: none. */
  readonly transposed?: RegExp;
}

/** The family that `tables` describe. */
export function hfFamily({ modelType, fields, prefix = "", ...tables }: FamilyTables): HfFamily {
  return {
    modelType,
    prefix,
    fits: (config) => canWrite(fields, config),
    nameOf: (path) => nameIn(tables, path),
    isTransposed: (name) => tables.transposed?.test(name) ?? false,
    fromConfig(json, path) {
      if (tables.requires !== undefined) parse(tables.requires, json, path);
      return readFields(fields, json, path);
    },
    toConfig: (config) => ({
      architectures: [tables.architecture],
      model_type: modelType,
      ...writeFields(fields, config),
    }),
  };
}

function nameIn({ top, block }: Pick<FamilyTables, "top" | "block">, path: string) {
  const [, layer, inner] = /^blocks\.(\d+)\.(.*)$/.exec(path) ?? [];
  if (layer === undefined || inner === undefined) return top[path];
  const inLayer = (name: string): string => name.replace("LAYER", layer);
  const name = block[inner];
  if (name === undefined || typeof name === "string") return name && inLayer(name);
  return "fused" in name ? { ...name, fused: inLayer(name.fused) } : name.map(inLayer);
}
