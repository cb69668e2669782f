// A family of models as Hugging Face's files have it: what config.json calls each field of a GPT's configuration, and
// the names and shapes of its tensors.

import { UserError } from "@tessera/config";
import type { GptConfig } from "@tessera/gpt";
import * as v from "valibot";
import { findMismatches, parse, readFields, writeFields, type FieldMap } from "./fields.js";

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
      /** Whether groups are those of each head, one head after the other. Default: groups of all heads. */
      readonly perHead?: true;
    };

/** By path, or by the end of a path in a block; `LAYER` in a name is the number of the block. */
export type HfNames = Readonly<Record<string, HfName>>;

export interface HfFamily {
  /** The `model_type` of config.json. */
  readonly modelType: string;
  /** A prefix of names that files may leave out; empty for none. */
  readonly prefix: string;
  /** Keys of config.json that most families refuse, as windows of attention, and this one obeys. */
  readonly obeys: readonly string[];
  /** The fields of `config` that config.json cannot express: read again, they are others. */
  mismatches(config: GptConfig): readonly string[];
  /** The tensors of the parameter at `path`; undefined where the family has no such parameter. */
  nameOf(path: string): HfName | undefined;
  /** Whether a tensor is stored as [out, in]; our matrices are [in, out]. */
  isTransposed(name: string): boolean;
  /** Whether a tensor is no parameter: files may have it, and it is computed anew. */
  isBuffer(name: string): boolean;
  /** The head, which files may store beside the embedding that it is tied to; null where none is. */
  readonly tiedHead: TiedHead | null;
  /**
   * The configuration that config.json at `path` says.
   *
   * @throws UserError that names `path` and the key.
   */
  fromConfig(json: unknown, path: string): GptConfig;
  /** What config.json says of `config`. */
  toConfig(config: GptConfig): Readonly<Record<string, unknown>>;
}

/** Names of two tensors that are one. */
export interface TiedHead {
  readonly name: string;
  readonly table: string;
}

/** A family by its tables. */
export interface FamilyTables {
  readonly modelType: string;
  /** The class in `transformers`. */
  readonly architecture: string;
  readonly prefix?: string;
  /** See `HfFamily.obeys`. Default: none. */
  readonly obeys?: readonly string[];
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
  /** Names of tensors that are no parameters. Default: none. */
  readonly buffers?: RegExp;
}

/** The family that `tables` describe. */
export function hfFamily({
  modelType,
  fields,
  prefix = "",
  obeys = [],
  ...tables
}: FamilyTables): HfFamily {
  return {
    modelType,
    prefix,
    obeys,
    mismatches: (config) => findMismatches(fields, config),
    nameOf: (path) => nameIn(tables, path),
    isTransposed: (name) => tables.transposed?.test(name) ?? false,
    isBuffer: (name) => tables.buffers?.test(name) ?? false,
    tiedHead: tiedHeadOf(tables.top),
    fromConfig(json, path) {
      refuseArchitecture(json, tables.architecture, path);
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

function tiedHeadOf(top: HfNames): TiedHead | null {
  const [name, table] = [top["head.table"], top["embedding.token"]];
  return typeof name === "string" && typeof table === "string" ? { name, table } : null;
}

const Architectures = v.object({ architectures: v.nullish(v.array(v.string())) });

/** `expected`, or the model below its head, is what is read. Throws a UserError for another. */
function refuseArchitecture(json: unknown, expected: string, path: string): void {
  const { architectures } = parse(Architectures, json, path);
  const base = expected.replace(/(ForCausalLM|LMHeadModel)$/, "Model");
  const other = architectures?.find((name) => name !== expected && name !== base);
  if (other === undefined) return;
  throw new UserError(`${path}: architectures is ${other}, must be ${expected}`);
}

function nameIn({ top, block }: Pick<FamilyTables, "top" | "block">, path: string) {
  const [, layer, inner] = /^blocks\.(\d+)\.(.*)$/.exec(path) ?? [];
  if (layer === undefined || inner === undefined) return top[path];
  const inLayer = (name: string): string => name.replace("LAYER", layer);
  const name = block[inner];
  if (name === undefined || typeof name === "string") return name && inLayer(name);
  return "fused" in name ? { ...name, fused: inLayer(name.fused) } : name.map(inLayer);
}
