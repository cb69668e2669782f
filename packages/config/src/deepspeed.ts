// A DeepSpeed configuration beside a program's flags: https://www.deepspeed.ai/docs/config-json. Each of
// its values stands for a flag. Where both are given they must agree: one number has one source.

import { readFileSync } from "node:fs";
import { UserError } from "./errors.js";

/** What a flag may hold that a configuration can say. */
export type ConfigValue = string | number | boolean;

/** How the value at a key becomes a flag's; null where it cannot. */
export interface Meaning<F> {
  readonly flag: keyof F & string;
  readonly read: (value: unknown) => ConfigValue | null;
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
  typeof value === "string" ? (words[value.toLowerCase()] ?? null) : null;

/** 2 to the power that is said. */
export const powerOfTwo = (value: unknown): number | null => {
  const exponent = numeric(value);
  return exponent === null ? null : 2 ** exponent;
};

/** The product of batch sizes: checked by its user, once the factors are known. */
const PRODUCT = "train_batch_size";

export interface DeepSpeedRequest<F> {
  readonly path: string;
  /** The flag that names the file, as errors begin: "--deepspeed". */
  readonly option: string;
  readonly flags: F;
  /** The flags that the user gave; the others hold their defaults. */
  readonly given: ReadonlySet<string>;
  readonly meanings: Meanings<F>;
  /** Whether keys without a meaning are refused. */
  readonly strict: boolean;
}

export interface Configured<F> {
  readonly flags: F;
  /** Sentences for the user. */
  readonly notes: readonly string[];
  /** `train_batch_size`, which the resolved batch must equal; null where it is not said. */
  readonly globalBatch: number | null;
}

/**
 * The flags, with the file's values in the place of defaults. "auto" takes the flag. Throws a UserError
 * where a value contradicts a flag, naming both and where they stand.
 */
export function withDeepSpeed<F extends object>(request: DeepSpeedRequest<F>): Configured<F> {
  const { path, option, flags, meanings } = request;
  const changed: Partial<Record<keyof F, ConfigValue>> = {};
  const unknown: string[] = [];
  let globalBatch: number | null = null;
  for (const [key, value] of readEntries(path, option)) {
    if (value === "auto") continue;
    if (key === PRODUCT) globalBatch = checked(path, key, value, numeric);
    const meaning = meanings[key];
    if (meaning === undefined && key !== PRODUCT) unknown.push(key);
    for (const { flag, read } of meaning ?? []) {
      const said = checked(path, key, value, read);
      refuseContradiction(request, flag, key, said);
      changed[flag] = said;
    }
  }
  const notes = unknown.length === 0 ? [] : [`${path}: ${unknown.join(", ")} mean nothing here`];
  if (request.strict && unknown.length > 0) {
    throw new UserError(`${notes[0]!}; --strict refuses them`);
  }
  return { flags: { ...flags, ...changed }, notes, globalBatch };
}

function refuseContradiction<F>(
  { path, flags, given }: DeepSpeedRequest<F>,
  flag: keyof F & string,
  key: string,
  said: ConfigValue,
): void {
  if (!given.has(flag) || flags[flag] === said) return;
  throw new UserError(
    `--${flag} ${String(flags[flag])} on the command line contradicts ${key} ${said} in ${path}; ` +
      'change one of them, or write "auto" there',
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

function checked<T>(
  path: string,
  key: string,
  value: unknown,
  read: (value: unknown) => T | null,
): T {
  const said = read(value);
  if (said !== null) return said;
  throw new UserError(`${path}: ${key} is ${JSON.stringify(value)}, which it cannot be`);
}
