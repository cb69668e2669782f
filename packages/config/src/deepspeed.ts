// A DeepSpeed configuration beside a program's flags. Each of its values stands for a flag, and is checked as
// that flag is. One number has one source: where several are given they must agree.

import { readFileSync, statSync } from "node:fs";
import {
  defaultEntries,
  flagsAt,
  readNumber,
  type ConfigValue,
  type DeepSpeedFlags,
} from "./deepspeed_keys.js";
import { isUnderstood, refusalOf } from "./deepspeed_refusals.js";
import { UserError } from "./errors.js";
import { parseRelaxedJson } from "./relaxed_json.js";
import type { FlagGroups } from "./program.js";

/** The product of batch sizes: checked by its user, once the factors are known. */
const PRODUCT = "train_batch_size";

/** Without it DeepSpeed does not clip, whatever a program's own default is. */
const CLIPPING = "gradient_clipping";

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
  /** Keys that this program refuses beside what none has, and what it says. Default: none. */
  readonly refusals?: Readonly<Record<string, string>>;
  /** Flags of which the file's value counts without further ado, as in DeepSpeed. Default: none. */
  readonly overruled?: readonly (keyof F & string)[];
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
 * @throws UserError where a value contradicts another, naming both and where they are, is none that its flag takes,
 * or would change numbers and has no equal here.
 */
export function applyDeepSpeedConfig<F extends object>(
  request: DeepSpeedRequest<F>,
): ConfiguredFlags<F> {
  const { path, given, strict } = request;
  const origins = new Map<string, Origin>();
  for (const flag of given) origins.set(flag, { name: `--${flag}`, place: "on the command line" });
  if (path === undefined) return { flags: request.flags, notes: [], globalBatch: null, origins };

  const entries = new Map(readEntries(path, request.option));
  refuseEntries(request, path, entries);
  const { flags, unknown, notes } = applyEntries({ request, path, entries, origins });
  if (unknown.length > 0) notes.push(`${path}: ${unknown.join(", ")} mean nothing here`);
  if (strict && unknown.length > 0) throw new UserError(`${notes.at(-1)!}; --strict refuses them`);
  const product = entries.get(PRODUCT);
  const globalBatch =
    product === undefined || product === AUTO
      ? null
      : readEntry({ key: PRODUCT, value: product, path }, readNumber);
  return { flags, notes, globalBatch, origins };
}

/** A value that Hugging Face's programs fill in from their flags. */
const AUTO = "auto";

function refuseEntries<F>(
  { refusals = {} }: DeepSpeedRequest<F>,
  path: string,
  entries: ReadonlyMap<string, unknown>,
): void {
  for (const [key, value] of entries) {
    const answer = Object.hasOwn(refusals, key) ? refusals[key]! : refusalOf(key, value);
    if (answer === null || value === AUTO || isMoot(key, entries)) continue;
    throw new UserError(`${path}: ${key} is ${JSON.stringify(value)}: ${answer}`);
  }
}

/** Whether a part of the file that is switched off has `key`. */
function isMoot(key: string, entries: ReadonlyMap<string, unknown>): boolean {
  const parts = key.split(".").slice(0, -1);
  return parts.some((_, i) => {
    const part = `${parts.slice(0, i + 1).join(".")}.enabled`;
    return part !== key && entries.get(part) === false;
  });
}

interface Application<F> {
  readonly request: DeepSpeedRequest<F>;
  readonly path: string;
  readonly entries: ReadonlyMap<string, unknown>;
  /** Gets where each flag's value comes from. */
  readonly origins: Map<string, Origin>;
}

function applyEntries<F extends object>({ request, path, entries, origins }: Application<F>) {
  const { settings, overruled = [] } = request;
  let { flags } = request;
  const [unknown, notes]: [string[], string[]] = [[], []];
  const at = (key: string): unknown => entries.get(key);
  const apply = (entry: FileEntry, isDefault: boolean): void => {
    const mapped = flagsAt(entry.key, settings);
    const isKnown = mapped !== undefined || entry.key === PRODUCT || isUnderstood(entry.key);
    if (!isKnown && !isMoot(entry.key, entries)) unknown.push(entry.key);
    for (const [flag, read] of mapped ?? []) {
      const origin = origins.get(flag);
      if (isDefault && origin !== undefined) continue;
      const configured = readEntry(entry, (one) => read(one, at));
      if (configured === undefined) continue;
      const next = parseAs(request, flag, entry, configured);
      if (origin !== undefined && flags[flag] !== next && overruled.includes(flag)) {
        const said = `${origin.name} ${String(flags[flag])}`;
        notes.push(
          `${said}: DeepSpeed takes ${entry.key} ${JSON.stringify(entry.value)} in ${path}`,
        );
      } else checkAgreement(flags[flag], next, origin, entry);
      if (origin === undefined) origins.set(flag, { name: entry.key, place: `in ${path}` });
      flags = { ...flags, [flag]: next };
    }
  };
  for (const [key, value] of entries) if (value !== AUTO) apply({ key, value, path }, false);
  if (settings.optimizer !== undefined) {
    for (const [key, value] of defaultEntries(at)) apply({ key, value, path }, true);
  }
  if (at(CLIPPING) === undefined && !origins.has(settings.clipNorm ?? "")) {
    apply({ key: CLIPPING, value: 0, path }, true);
    notes.push(`${path}: has no ${CLIPPING}, so gradients are not clipped, as in DeepSpeed`);
  }
  return { flags, unknown, notes };
}

/** A value of the file, and where it is. */
interface FileEntry {
  readonly key: string;
  readonly value: unknown;
  readonly path: string;
}

function readEntry<T>({ key, value, path }: FileEntry, read: (value: unknown) => T | null): T {
  const fail = (why: string): UserError =>
    new UserError(`${path}: ${key} is ${JSON.stringify(value)}, ${why}`);
  try {
    const result = read(value);
    if (result !== null) return result;
  } catch (error) {
    throw error instanceof UserError ? fail(error.message) : error;
  }
  throw fail("which it cannot be");
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

/** Larger than any configuration. */
const MAX_BYTES = 2 ** 20;

function readEntries(path: string, option: string): Entry[] {
  const json = readRelaxedJson(path, option);
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new UserError(`${option} ${path}: must hold a JSON object`);
  }
  return flattenEntries(json);
}

function readRelaxedJson(path: string, option: string): unknown {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) throw new UserError(`${option} ${path}: is not there; check the path`);
  if (!stats.isFile() || stats.size > MAX_BYTES) {
    throw new UserError(`${option} ${path}: must be a file of at most ${MAX_BYTES} bytes`);
  }
  try {
    return parseRelaxedJson(readFileSync(path, "utf8"));
  } catch (error) {
    const why = error instanceof UserError ? error.message : (error as NodeJS.ErrnoException).code;
    throw new UserError(`${option} ${path}: cannot be read (${why ?? "it is no text"})`);
  }
}
