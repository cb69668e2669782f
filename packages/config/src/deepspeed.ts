// A DeepSpeed configuration beside a program's flags. Each of its values stands for a flag, and is checked as
// that flag is. One number has one source: where several are given they must agree.

import { readFileSync } from "node:fs";
import { flagsAt, readNumber, type ConfigValue, type DeepSpeedFlags } from "./deepspeed_keys.js";
import { UserError } from "./errors.js";
import type { FlagGroups } from "./parse.js";

/** The product of batch sizes: checked by its user, once the factors are known. */
const PRODUCT = "train_batch_size";

/** A configuration file to read beside a program's flags. */
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
  /** The program's flag for each setting of a configuration. */
  readonly settings: DeepSpeedFlags<F>;
  /** Whether keys that mean nothing to the program are refused; else they are noted. */
  readonly strict: boolean;
}

/** Where a value was given: "--bf16" "on the command line", "bf16.enabled" "in ds_config.json". */
export interface Origin {
  readonly name: string;
  readonly place: string;
}

/** Flags, and what is known of their values. */
export interface ConfiguredFlags<F> {
  readonly flags: F;
  /** Sentences for the user. */
  readonly notes: readonly string[];
  /** `train_batch_size`, which the resolved batch must equal; null where it is not given. */
  readonly globalBatch: number | null;
  /** Where each flag's value comes from; defaults are not in it. */
  readonly origins: ReadonlyMap<string, Origin>;
}

/**
 * The flags, with the file's values in place of defaults. "auto" leaves a flag as it is.
 * @throws UserError where a value contradicts another, naming both and where they are, or is none that its flag
 * takes.
 */
export function applyDeepSpeedConfig<F extends object>(
  request: DeepSpeedRequest<F>,
): ConfiguredFlags<F> {
  const { path, given, settings, strict } = request;
  let { flags } = request;
  const origins = new Map<string, Origin>();
  for (const flag of given) origins.set(flag, { name: `--${flag}`, place: "on the command line" });
  if (path === undefined) return { flags, notes: [], globalBatch: null, origins };

  const entries = new Map(
    readEntries(path, request.option).filter(([, value]) => value !== "auto"),
  );
  const unknown: string[] = [];
  for (const [key, value] of entries) {
    const mapped = flagsAt(key, settings);
    if (mapped === undefined && key !== PRODUCT) unknown.push(key);
    for (const [flag, read] of mapped ?? []) {
      const entry: FileEntry = { key, value, path };
      const configured = readEntry(entry, (one) => read(one, (at) => entries.get(at)));
      const next = parseAs(request, flag, entry, configured);
      checkAgreement(flags[flag], next, origins.get(flag), entry);
      if (!origins.has(flag)) origins.set(flag, { name: key, place: `in ${path}` });
      flags = { ...flags, [flag]: next };
    }
  }
  const notes = unknown.length === 0 ? [] : [`${path}: ${unknown.join(", ")} mean nothing here`];
  if (strict && unknown.length > 0) throw new UserError(`${notes[0]!}; --strict refuses them`);
  const product = entries.get(PRODUCT);
  const globalBatch =
    product === undefined ? null : readEntry({ key: PRODUCT, value: product, path }, readNumber);
  return { flags, notes, globalBatch, origins };
}

/** A value of the file, and where it is. */
interface FileEntry {
  readonly key: string;
  readonly value: unknown;
  readonly path: string;
}

function readEntry<T>({ key, value, path }: FileEntry, read: (value: unknown) => T | null): T {
  const result = read(value);
  if (result !== null) return result;
  throw new UserError(`${path}: ${key} is ${JSON.stringify(value)}, which it cannot be`);
}

/** `configured` as `flag` takes it from the command line. */
function parseAs<F>(
  { groups }: DeepSpeedRequest<F>,
  flag: string,
  { key, value, path }: FileEntry,
  configured: ConfigValue,
): unknown {
  const group = Object.values(groups).find((one) => Object.hasOwn(one, flag))!;
  try {
    return group[flag]!.parse([String(configured)]);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(
      `${path}: ${key} ${JSON.stringify(value)} is --${flag} ${String(configured)}, which ${error.message}`,
    );
  }
}

function checkAgreement(
  before: unknown,
  next: unknown,
  origin: Origin | undefined,
  { key, value, path }: FileEntry,
): void {
  if (origin === undefined || before === next) return;
  throw new UserError(
    `${origin.name} ${String(before)} ${origin.place} contradicts ${key} ${JSON.stringify(value)} ` +
      `in ${path}; change one of them, or write "auto" there`,
  );
}

type Entry = readonly [key: string, value: unknown];

/** The leaves of a configuration, by dotted key. */
function flattenEntries(value: unknown, key = ""): Entry[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [[key, value]];
  return Object.entries(value).flatMap(([name, child]) =>
    flattenEntries(child, key === "" ? name : `${key}.${name}`),
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
  return flattenEntries(json);
}
