// A DeepSpeed configuration beside a program's flags: https://www.deepspeed.ai/docs/config-json. Each of
// its values stands for a flag, and is checked as that flag is. One number has one source: where several
// are given they must agree.

import { readFileSync } from "node:fs";
import { UserError } from "./errors.js";
import type { FlagGroups } from "./parse.js";

/** What a flag may hold that a configuration can say. */
export type ConfigValue = string | number | boolean;

/** The value at a dotted key; undefined where nothing, or "auto", is said there. */
export type ValueAt = (key: string) => unknown;

/** How the value at a key becomes a flag's; null where it cannot. */
export interface Meaning<F> {
  readonly flag: keyof F & string;
  readonly read: (value: unknown, at: ValueAt) => ConfigValue | null;
}

/** By dotted key. Keys that mean nothing to a program are not in it. */
export type Meanings<F> = Readonly<Record<string, readonly Meaning<F>[]>>;

export const numeric = (value: unknown): number | null =>
  typeof value === "number" && Number.isFinite(value) ? value : null;

export const logical = (value: unknown): boolean | null =>
  typeof value === "boolean" ? value : null;

/** The number at `index` of a list. */
export const item = (index: number) => (value: unknown) =>
  Array.isArray(value) ? numeric(value[index]) : null;

/** A word, as `words` translates it; in small letters there. */
export const word = (words: Readonly<Record<string, ConfigValue>>) => (value: unknown) =>
  typeof value === "string" ? (ownAt(words, value.toLowerCase()) ?? null) : null;

/** 2 to the power that is said. */
export const powerOfTwo = (value: unknown): number | null => {
  const exponent = numeric(value);
  return exponent === null ? null : 2 ** exponent;
};

/** Where DeepSpeed looks whether its Adam decouples weight decay. */
export const ADAM_W_MODE = "optimizer.params.adam_w_mode";

const OPTIMIZERS = word({ adamw: "adamw", adam: "adam", sgd: "sgd" });

/** What "optimizer.type" names: Adam is AdamW, unless `ADAM_W_MODE` says false. */
export function optimizerKind(type: unknown, mode: unknown): ConfigValue | null {
  const name = OPTIMIZERS(type);
  return name === "adam" && mode !== false ? "adamw" : name;
}

/** A name that somebody chose finds nothing that every object has. */
const ownAt = <T>(of: Readonly<Record<string, T>>, name: string): T | undefined =>
  Object.hasOwn(of, name) ? of[name] : undefined;

/** The product of batch sizes: checked by its user, once the factors are known. */
const PRODUCT = "train_batch_size";

export interface DeepSpeedRequest<F> {
  /** The file; undefined for none. */
  readonly path: string | undefined;
  /** The flag that names the file, as errors begin: "--deepspeed". */
  readonly option: string;
  /** The program's flags, which check what the file says of them. */
  readonly groups: FlagGroups;
  readonly flags: F;
  /** The flags that the user gave; the others hold their defaults. */
  readonly given: ReadonlySet<string>;
  readonly meanings: Meanings<F>;
  /** Whether keys without a meaning are refused. */
  readonly strict: boolean;
}

/** Who said a value: "--bf16" "on the command line", "bf16.enabled" "in ds_config.json". */
export interface Origin {
  readonly name: string;
  readonly place: string;
}

export interface Configured<F> {
  readonly flags: F;
  /** Sentences for the user. */
  readonly notes: readonly string[];
  /** `train_batch_size`, which the resolved batch must equal; null where it is not said. */
  readonly globalBatch: number | null;
  /** Where each flag's value comes from; defaults are not in it. */
  readonly origins: ReadonlyMap<string, Origin>;
}

/**
 * The flags, with the file's values in the place of defaults. "auto" takes the flag. Throws a UserError
 * where a value contradicts another, naming both and where they stand, or is not one that its flag takes.
 */
export function withDeepSpeed<F extends object>(request: DeepSpeedRequest<F>): Configured<F> {
  const { path, given, meanings, strict } = request;
  let { flags } = request;
  const origins = new Map<string, Origin>();
  for (const flag of given) origins.set(flag, { name: `--${flag}`, place: "on the command line" });
  if (path === undefined) return { flags, notes: [], globalBatch: null, origins };

  const said = new Map(readEntries(path, request.option).filter(([, value]) => value !== "auto"));
  const unknown: string[] = [];
  for (const [key, value] of said) {
    const meaning = ownAt(meanings, key);
    if (meaning === undefined && key !== PRODUCT) unknown.push(key);
    for (const { flag, read } of meaning ?? []) {
      const stated: Stated = { key, value, path };
      const next = flagValue(
        request,
        flag,
        stated,
        readable(stated, (one) => read(one, (at) => said.get(at))),
      );
      refuseContradiction(flags[flag], next, origins.get(flag), stated);
      if (!origins.has(flag)) origins.set(flag, { name: key, place: `in ${path}` });
      flags = { ...flags, [flag]: next };
    }
  }
  const notes = unknown.length === 0 ? [] : [`${path}: ${unknown.join(", ")} mean nothing here`];
  if (strict && unknown.length > 0) throw new UserError(`${notes[0]!}; --strict refuses them`);
  const product = said.get(PRODUCT);
  const globalBatch =
    product === undefined ? null : readable({ key: PRODUCT, value: product, path }, numeric);
  return { flags, notes, globalBatch, origins };
}

/** What a file says. */
interface Stated {
  readonly key: string;
  readonly value: unknown;
  readonly path: string;
}

function readable<T>({ key, value, path }: Stated, read: (value: unknown) => T | null): T {
  const made = read(value);
  if (made !== null) return made;
  throw new UserError(`${path}: ${key} is ${JSON.stringify(value)}, which it cannot be`);
}

/** `made` as `flag` takes it from the command line. */
function flagValue<F>(
  { groups }: DeepSpeedRequest<F>,
  flag: string,
  { key, value, path }: Stated,
  made: ConfigValue,
): unknown {
  const group = Object.values(groups).find((one) => Object.hasOwn(one, flag))!;
  try {
    return group[flag]!.parse([String(made)]);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(
      `${path}: ${key} ${JSON.stringify(value)} is --${flag} ${String(made)}, which ${error.message}`,
    );
  }
}

function refuseContradiction(
  before: unknown,
  next: unknown,
  origin: Origin | undefined,
  { key, value, path }: Stated,
): void {
  if (origin === undefined || before === next) return;
  throw new UserError(
    `${origin.name} ${String(before)} ${origin.place} contradicts ${key} ${JSON.stringify(value)} ` +
      `in ${path}; change one of them, or write "auto" there`,
  );
}

type Entry = readonly [key: string, value: unknown];

/** The leaves of a configuration, by dotted key. */
function entriesOf(value: unknown, key = ""): Entry[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [[key, value]];
  return Object.entries(value).flatMap(([name, child]) =>
    entriesOf(child, key === "" ? name : `${key}.${name}`),
  );
}

function readEntries(path: string, option: string): Entry[] {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? "it is not JSON";
    throw new UserError(`${option} ${path}: cannot be read (${why})`);
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new UserError(`${option} ${path}: must hold a JSON object`);
  }
  return entriesOf(json);
}
