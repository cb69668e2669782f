// A DeepSpeed configuration beside the flags: https://www.deepspeed.ai/docs/config-json. Each of its
// values stands for a flag. Where both are given they must agree: one number has one source.

import { readFileSync } from "node:fs";
import { UserError } from "@tessera/config";
import type { Flags } from "./flags.js";

type FlagName = keyof Flags;
type Value = string | number | boolean;

/** How the value at a key of the file becomes a flag's. Keys that mean nothing here are not in it. */
interface Meaning {
  readonly flag: FlagName;
  readonly read: (value: unknown) => Value | null;
}

const numeric = (value: unknown): number | null =>
  typeof value === "number" && Number.isFinite(value) ? value : null;
const logical = (value: unknown): boolean | null => (typeof value === "boolean" ? value : null);
const item = (index: number) => (value: unknown) =>
  Array.isArray(value) ? numeric(value[index]) : null;
const map = (of: Readonly<Record<string, string>>) => (value: unknown) =>
  typeof value === "string" ? (of[value.toLowerCase()] ?? null) : null;

const OPTIMIZERS = { adamw: "adamw", adam: "adam", sgd: "sgd" };
const SCHEDULERS = { warmuplr: "constant", warmupdecaylr: "linear", warmupcosinelr: "cosine" };

const meanings: Readonly<Record<string, readonly Meaning[]>> = {
  train_micro_batch_size_per_gpu: [{ flag: "per_device_train_batch_size", read: numeric }],
  gradient_accumulation_steps: [{ flag: "gradient_accumulation_steps", read: numeric }],
  gradient_clipping: [{ flag: "max_grad_norm", read: numeric }],
  "fp16.enabled": [{ flag: "fp16", read: logical }],
  "fp16.initial_scale_power": [
    { flag: "initial_loss_scale", read: (value) => power(numeric(value)) },
  ],
  "fp16.loss_scale_window": [{ flag: "loss_scale_window", read: numeric }],
  "fp16.hysteresis": [{ flag: "hysteresis", read: numeric }],
  "fp16.min_loss_scale": [{ flag: "min_loss_scale", read: numeric }],
  "bf16.enabled": [{ flag: "bf16", read: logical }],
  "zero_optimization.stage": [
    { flag: "zero_stage", read: (value) => (numeric(value) === null ? null : String(value)) },
  ],
  "zero_optimization.reduce_bucket_size": [
    { flag: "ddp_bucket_cap_mb", read: (value) => megabytes(numeric(value)) },
  ],
  "optimizer.type": [{ flag: "optim", read: map(OPTIMIZERS) }],
  "optimizer.params.lr": [{ flag: "learning_rate", read: numeric }],
  "optimizer.params.betas": [
    { flag: "adam_beta1", read: item(0) },
    { flag: "adam_beta2", read: item(1) },
  ],
  "optimizer.params.eps": [{ flag: "adam_epsilon", read: numeric }],
  "optimizer.params.weight_decay": [{ flag: "weight_decay", read: numeric }],
  "scheduler.type": [{ flag: "lr_scheduler_type", read: map(SCHEDULERS) }],
  "scheduler.params.warmup_max_lr": [{ flag: "learning_rate", read: numeric }],
  "scheduler.params.warmup_min_lr": [{ flag: "min_learning_rate", read: numeric }],
  "scheduler.params.warmup_num_steps": [{ flag: "warmup_steps", read: numeric }],
  "scheduler.params.total_num_steps": [{ flag: "max_steps", read: numeric }],
};

/** Checked against the others once they are known, as it is their product. */
const PRODUCT = "train_batch_size";

const power = (exponent: number | null): number | null =>
  exponent === null ? null : 2 ** exponent;

const BYTES_PER_ELEMENT = 4;
const megabytes = (elements: number | null): number | null =>
  elements === null ? null : (elements * BYTES_PER_ELEMENT) / 2 ** 20;

type Entry = readonly [key: string, value: unknown];

/** The leaves of a configuration, by dotted key. */
function entriesOf(value: unknown, key = ""): Entry[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [[key, value]];
  return Object.entries(value).flatMap(([name, child]) =>
    entriesOf(child, key === "" ? name : `${key}.${name}`),
  );
}

function readConfiguration(path: string): Entry[] {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? "it is not JSON";
    throw new UserError(`--deepspeed ${path}: cannot be read (${why})`);
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new UserError(`--deepspeed ${path}: must hold a JSON object`);
  }
  return entriesOf(json);
}

export interface Configured {
  readonly flags: Flags;
  /** Sentences for the user. */
  readonly notes: readonly string[];
  /** `train_batch_size`, which the batch must equal (`chooseBatch`); null where it is not said. */
  readonly globalBatch: number | null;
  /** Where each flag's value comes from; defaults are not in it. */
  readonly origins: ReadonlyMap<string, string>;
}

/**
 * The flags, with the values of `--deepspeed` in the place of defaults. `given` names the flags that
 * the user gave. Throws a UserError where a value contradicts a flag, naming both and where they stand.
 */
export function withDeepSpeed(flags: Flags, given: ReadonlySet<string>): Configured {
  const path = flags.deepspeed;
  const origins = new Map([...given].map((flag) => [flag, `--${flag} on the command line`]));
  if (path === undefined) return { flags, notes: [], globalBatch: null, origins };
  const changed: Partial<Record<FlagName, Value>> = {};
  const unknown: string[] = [];
  let globalBatch: number | null = null;
  for (const [key, value] of readConfiguration(path)) {
    if (value === "auto") continue;
    if (key === PRODUCT) globalBatch = checked(path, key, value, numeric);
    const meaning = meanings[key];
    if (meaning === undefined && key !== PRODUCT) unknown.push(key);
    for (const { flag, read } of meaning ?? []) {
      const said = checked(path, key, value, read);
      if (given.has(flag) && flags[flag] !== said) {
        throw new UserError(
          `--${flag} ${String(flags[flag])} on the command line contradicts ${key} ${said} in ${path}; ` +
            'change one of them, or write "auto" there',
        );
      }
      changed[flag] = said;
      if (!given.has(flag)) origins.set(flag, `${key} in ${path}`);
    }
  }
  const notes = unknown.length === 0 ? [] : [`${path}: ${unknown.join(", ")} mean nothing here`];
  if (flags.strict && unknown.length > 0)
    throw new UserError(`${notes[0]!}; --strict refuses them`);
  return { flags: { ...flags, ...changed } as Flags, notes, globalBatch, origins };
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
