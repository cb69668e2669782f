// The keys of a DeepSpeed configuration that mean something here: https://www.deepspeed.ai/docs/config-json.

import { UserError } from "./errors.js";

/** What a flag may hold that a configuration can say. */
export type ConfigValue = string | number | boolean;

/** The value at a dotted key; undefined where there is none. "auto" is a value. */
export type ValueAt = (key: string) => unknown;

/**
 * The value at a key as a setting's; null where it cannot be one, undefined where it leaves the setting as it is.
 * @throws UserError that ends the sentence "KEY is VALUE, ...".
 */
export type ReadValue = (value: unknown, at: ValueAt) => ConfigValue | null | undefined;

export const readNumber = (value: unknown): number | null =>
  typeof value === "number" && Number.isFinite(value) ? value : null;

const readBoolean = (value: unknown): boolean | null => (typeof value === "boolean" ? value : null);

/** The number at `index` of a list. */
const readItem = (index: number) => (value: unknown) =>
  Array.isArray(value) ? readNumber(value[index]) : null;

/** A word in any case, as `words` translates it from lower case. */
const readWord =
  <W extends string>(words: Readonly<Record<string, W>>) =>
  (value: unknown): W | null => {
    if (typeof value !== "string") return null;
    const word = ownAt(words, value.toLowerCase());
    if (word !== undefined) return word;
    throw new UserError(`must be one of ${Object.keys(words).join(", ")}`);
  };

const readPowerOfTwo = (value: unknown): number | null => {
  const exponent = readNumber(value);
  return exponent === null ? null : 2 ** exponent;
};

const BYTES_PER_ELEMENT = 4;

const readMegabytes = (value: unknown): number | null => {
  const elements = readNumber(value);
  return elements === null ? null : (elements * BYTES_PER_ELEMENT) / 2 ** 20;
};

/** Where DeepSpeed looks whether its Adam decouples weight decay: it does, unless this says false. */
const ADAM_W_MODE = "optimizer.params.adam_w_mode";

const readOptimizer = readWord({ adamw: "adamw", adam: "adam", sgd: "sgd" });

/** "adamw", "adam" or "sgd". */
function optimizerKind(at: ValueAt): string | null {
  const name = readOptimizer(at("optimizer.type"));
  return name === "adam" && at(ADAM_W_MODE) !== false ? "adamw" : name;
}

/** "adam" or "sgd": whether weight decay is decoupled is a setting of its own. */
function optimizerFamily(at: ValueAt): string | null {
  const kind = optimizerKind(at);
  return kind === "adamw" ? "adam" : kind;
}

function isDecoupled(at: ValueAt): boolean | null {
  const kind = optimizerKind(at);
  return kind === null ? null : kind !== "adam";
}

/** ZeRO's stage, as the first versions switched it on. */
const readOldZero = (value: unknown): number | null =>
  typeof value === "boolean" ? Number(value) : null;

const readScheduler = readWord({
  warmuplr: "WarmupLR",
  warmupdecaylr: "WarmupDecayLR",
  warmupcosinelr: "WarmupCosineLR",
});

const PEAK = "scheduler.params.warmup_max_lr";
const LEARNING_RATE = "optimizer.params.lr";
/** DeepSpeed's, of an optimizer and of WarmupDecayLR. */
const USUAL_RATE = 0.001;

function schedulerKind(value: unknown, at: ValueAt): string | null {
  const kind = readScheduler(value);
  const rate = at(LEARNING_RATE) ?? USUAL_RATE;
  const isOther = at(PEAK) === undefined && rate !== "auto" && rate !== USUAL_RATE;
  if (kind !== "WarmupDecayLR" || !isOther) return kind;
  throw new UserError(
    `but ${PEAK} is not there: DeepSpeed then takes ${USUAL_RATE}, not ${LEARNING_RATE}; write it`,
  );
}

/** Arguments of a scheduler that no flag of its own stands for. */
const SCHEDULER_PARAMS = [
  "warmup_type",
  "warmup_min_lr",
  "warmup_min_ratio",
  "cos_min_ratio",
] as const;
const paramKey = (name: string): string => `scheduler.params.${name}`;

/** As JSON. Undefined where there are none. */
function schedulerArguments(_value: unknown, at: ValueAt): string | undefined {
  const given = SCHEDULER_PARAMS.flatMap((name) => {
    const value = at(paramKey(name));
    return value === undefined || value === "auto" ? [] : [[name, value] as const];
  });
  return given.length === 0 ? undefined : JSON.stringify(Object.fromEntries(given));
}

const optimizerSettings = {
  optimizer: (_type, at) => optimizerKind(at),
  optimizerFamily: (_type, at) => optimizerFamily(at),
  decoupledDecay: (_type, at) => isDecoupled(at),
} as const satisfies Record<string, ReadValue>;

/** By dotted key: the settings that follow from its value. */
export const DEEPSPEED_KEYS = {
  train_batch_size: { globalBatch: readNumber },
  train_micro_batch_size_per_gpu: { microBatch: readNumber },
  gradient_accumulation_steps: { accumulation: readNumber },
  gradient_clipping: { clipNorm: readNumber },
  "fp16.enabled": { fp16: readBoolean },
  "fp16.loss_scale": { fixedLossScale: readNumber },
  "fp16.initial_scale_power": { initialLossScale: readPowerOfTwo },
  "fp16.loss_scale_window": { lossScaleWindow: readNumber },
  "fp16.hysteresis": { hysteresis: readNumber },
  "fp16.min_loss_scale": { minLossScale: readNumber },
  "bf16.enabled": { bf16: readBoolean },
  "bfloat16.enabled": { bf16: readBoolean },
  zero_optimization: { zeroStage: readOldZero },
  "zero_optimization.stage": { zeroStage: readNumber },
  "zero_optimization.reduce_bucket_size": { bucketMegabytes: readMegabytes },
  "optimizer.type": optimizerSettings,
  [ADAM_W_MODE]: optimizerSettings,
  [LEARNING_RATE]: { learningRate: readNumber },
  "optimizer.params.betas": { beta1: readItem(0), beta2: readItem(1) },
  "optimizer.params.eps": { epsilon: readNumber },
  "optimizer.params.weight_decay": { weightDecay: readNumber },
  "optimizer.params.momentum": {
    momentum: (value, at) => (optimizerKind(at) === "sgd" ? readNumber(value) : undefined),
  },
  "scheduler.type": { schedule: schedulerKind, scheduleArguments: schedulerArguments },
  "scheduler.params.warmup_type": { scheduleArguments: schedulerArguments },
  "scheduler.params.warmup_min_lr": { scheduleArguments: schedulerArguments },
  "scheduler.params.warmup_min_ratio": { scheduleArguments: schedulerArguments },
  "scheduler.params.cos_min_ratio": { scheduleArguments: schedulerArguments },
  [PEAK]: { peakLearningRate: readNumber },
  "scheduler.params.warmup_num_steps": { warmup: readNumber },
  "scheduler.params.total_num_steps": { steps: readNumber },
} as const satisfies Record<string, Readonly<Record<string, ReadValue>>>;

/** What DeepSpeed takes for parameters of the optimizer that are not there. */
function optimizerDefaults(at: ValueAt): Readonly<Record<string, unknown>> {
  if (optimizerKind(at) === "sgd") return { momentum: 0, weight_decay: 0 };
  const isTorch = at("optimizer.params.torch_adam") === true;
  return { betas: [0.9, 0.999], eps: 1e-8, weight_decay: isTorch ? 0.01 : 0 };
}

/** Keys that are not there, and have a value in DeepSpeed because their part is. Flags that the user gave count before. */
export function defaultEntries(at: ValueAt): readonly (readonly [string, unknown])[] {
  const parts = [
    ["optimizer", optimizerDefaults],
    ["scheduler", () => ({ warmup_num_steps: 1000 })],
  ] as const;
  return parts.flatMap(([part, defaults]) =>
    at(`${part}.type`) === undefined
      ? []
      : Object.entries(defaults(at))
          .map(([name, value]) => [`${part}.params.${name}`, value] as const)
          .filter(([key]) => at(key) === undefined),
  );
}

type KeysOf<T> = T extends unknown ? keyof T : never;

/** What a DeepSpeed configuration can set. */
export type DeepSpeedSetting = KeysOf<(typeof DEEPSPEED_KEYS)[keyof typeof DEEPSPEED_KEYS]>;

/** A program's flag for each setting. Settings without one mean nothing to the program. */
export type DeepSpeedFlags<F> = Readonly<Partial<Record<DeepSpeedSetting, keyof F & string>>>;

/** The property `name` of its own; a name that a user chose does not find what every object has. */
export const ownAt = <T>(of: Readonly<Record<string, T>>, name: string): T | undefined =>
  Object.hasOwn(of, name) ? of[name] : undefined;

/** The flags that the value at `key` sets, and how; undefined for a key that means nothing. */
export function flagsAt<F>(
  key: string,
  flags: DeepSpeedFlags<F>,
): readonly (readonly [flag: keyof F & string, read: ReadValue])[] | undefined {
  const settings = ownAt<Readonly<Record<string, ReadValue>>>(DEEPSPEED_KEYS, key);
  if (settings === undefined) return undefined;
  const found = Object.entries(settings).flatMap(([setting, read]) => {
    const flag = flags[setting as DeepSpeedSetting];
    return flag === undefined ? [] : [[flag, read] as const];
  });
  return found.length === 0 ? undefined : found;
}
