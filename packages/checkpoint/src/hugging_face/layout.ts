// A layout: the names and shapes under which a family of models stands in safetensors files, and how its
// config.json says what the model is.

import { UserError } from "@tessera/config";
import type { GptConfig } from "@tessera/gpt";
import * as v from "valibot";
import { faultOf } from "../fault.js";

/**
 * Where a parameter stands: in a tensor of its own, in some of the equal groups of columns of a wider one, or
 * in several tensors that each have an equal group of its columns.
 */
export type Place =
  | string
  | readonly string[]
  | {
      readonly within: string;
      readonly first: number;
      readonly count: number;
      readonly of: number;
    };

export interface Layout {
  /** What config.json calls the family. */
  readonly modelType: string;
  /** Whether the layout has a place for every parameter of such a model, and words for its shape. */
  fits(config: GptConfig): boolean;
  /** Where the parameter at `path` stands; undefined where there is no such parameter. */
  placeOf(path: string): Place | undefined;
  /** Whether a tensor is stored as [out, in]; our matrices are [in, out]. */
  isTransposed(name: string): boolean;
  /** How names begin that may also stand without it; empty where there is no such beginning. */
  readonly prefix: string;
  /** Throws a UserError that names `path` and the key. */
  fromConfig(json: unknown, path: string): GptConfig;
  /** What config.json says, as a record. */
  toConfig(config: GptConfig): Readonly<Record<string, unknown>>;
}

/** Places by the end of a path inside a block; `LAYER` in a name stands for the block's number. */
export type Places = Readonly<Record<string, Place>>;

/** The place of `path` by a table for the ends of the model and one for its blocks. */
export function placeBy(top: Places, inBlock: Places, path: string): Place | undefined {
  const [, layer, inner] = /^blocks\.(\d+)\.(.*)$/.exec(path) ?? [];
  if (layer === undefined || inner === undefined) return top[path];
  const name = (text: string): string => text.replace("LAYER", layer);
  const place = inBlock[inner];
  if (place === undefined || typeof place === "string") return place && name(place);
  return "within" in place ? { ...place, within: name(place.within) } : place.map(name);
}

/** Nothing is near these limits; they keep a file from asking for endless work. */
export const size = v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(2 ** 31));
export const layers = v.pipe(size, v.maxValue(10_000));
export const rate = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
export const positive = v.pipe(v.number(), v.finite(), v.gtValue(0));

/** A key that changes what the model computes, and may only say this. */
export const only = (value: boolean | number) => v.optional(v.literal(value), value);

/** `json` as `schema` has it. Throws a UserError that names the file and the key. */
export function parsed<S extends v.GenericSchema>(
  schema: S,
  json: unknown,
  path: string,
): v.InferOutput<S> {
  const result = v.safeParse(schema, json, { abortEarly: true });
  if (result.success) return result.output;
  throw new UserError(`${path}: ${faultOf(result.issues)}`);
}
