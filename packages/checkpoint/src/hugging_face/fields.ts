// Fields of a GPT's configuration and the keys of a config.json. A map has every field of `GptConfig`, so one that is
// added there does not compile until each family says what becomes of it.

import { isDeepStrictEqual } from "node:util";
import { UserError } from "@tessera/config";
import { describeIssue } from "@tessera/config/issues";
import { gptConfig, type GptConfig } from "@tessera/gpt";
import * as v from "valibot";

/** One field of a configuration, and its keys. */
export interface Field<T> {
  /**
   * The value that config.json at `path` says.
   *
   * @throws UserError that names `path` and the key.
   */
  readonly read: (json: unknown, path: string) => T;
  /** The keys of `value`, a field of `config`. Where they cannot express it, those of another value. */
  readonly write: (value: T, config: GptConfig) => Readonly<Record<string, unknown>>;
  /** Whether what is read is what was written. Default: all of it is equal. */
  readonly isSame?: (value: T, read: T) => boolean;
}

/** All of a configuration but LoRA, which files have as adapters. */
type BaseConfig = Omit<GptConfig, "lora">;

export type FieldMap = { readonly [K in keyof BaseConfig]: Field<BaseConfig[K]> };

/**
 * The configuration that config.json at `path` says.
 *
 * @throws UserError that names `path` and the key.
 */
export function readFields(fields: FieldMap, json: unknown, path: string): GptConfig {
  const values = Object.entries(fields).map(
    ([name, { read }]) => [name, read(json, path)] as const,
  );
  try {
    // The map has every field, each of its type.
    return gptConfig(Object.fromEntries(values) as unknown as GptConfig);
  } catch (error) {
    throw error instanceof UserError ? new UserError(`${path}: ${error.message}`) : error;
  }
}

/** A field and its value. */
const pairOf = <K extends keyof FieldMap>(
  fields: FieldMap,
  config: GptConfig,
  name: K,
): readonly [Field<GptConfig[K]>, GptConfig[K]] => [fields[name], config[name]];

const pairsOf = (fields: FieldMap, config: GptConfig) =>
  (Object.keys(fields) as (keyof FieldMap)[]).map((name) => pairOf(fields, config, name));

/** What config.json says of `config`, in the order of the map. */
export const writeFields = (
  fields: FieldMap,
  config: GptConfig,
): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    pairsOf(fields, config).flatMap(([{ write }, value]) => Object.entries(write(value, config))),
  );

/** The fields of `config` that are another when it is read again, or that the map lacks. */
export function findMismatches(fields: FieldMap, config: GptConfig): readonly string[] {
  const file = writeFields(fields, config);
  const isSame = (name: keyof FieldMap): boolean => {
    const [{ read, isSame: compare = isDeepStrictEqual }, value] = pairOf(fields, config, name);
    try {
      return compare(value, read(file, "config.json"));
    } catch (error) {
      if (error instanceof UserError) return false;
      throw error;
    }
  };
  return Object.keys(config).filter((name) => !(name in fields && isSame(name as keyof FieldMap)));
}

/** Nothing is near these limits; they keep a file from asking for endless work. */
export const size = v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(2 ** 31));
export const layers = v.pipe(size, v.maxValue(10_000));
export const rate = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
export const positive = v.pipe(v.number(), v.finite(), v.gtValue(0));

/** A key that may be absent, and must be `value`. */
export const only = <T extends boolean | number | string>(value: T) =>
  v.optional(v.literal(value), value);

/** The value of the one key `name`, as `schema` has it. */
export const key = <T>(name: string, schema: v.GenericSchema<unknown, T>): Field<T> => ({
  read: (json, path) => parse(v.object({ [name]: schema }), json, path)[name] as T,
  write: (value) => ({ [name]: value }),
});

/** A value that all models of the family share; it has no key. */
export const always = <T>(value: NoInfer<T>): Field<T> => ({
  read: () => value,
  write: () => ({}),
});

/** A field that `schema` reads from several keys, or from one that says it differently. */
export const field = <F, T>(
  schema: v.GenericSchema<unknown, F>,
  read: (file: F) => NoInfer<T>,
  write: Field<T>["write"],
  isSame: Field<T>["isSame"] = isDeepStrictEqual,
): Field<T> => ({ read: (json, path) => read(parse(schema, json, path)), write, isSame });

/**
 * `json` as `schema` has it.
 *
 * @throws UserError that names `path` and the key.
 */
export function parse<T>(schema: v.GenericSchema<unknown, T>, json: unknown, path: string): T {
  const result = v.safeParse(schema, json, { abortEarly: true });
  if (result.success) return result.output;
  throw new UserError(`${path}: ${describeIssue(result.issues)}`);
}
