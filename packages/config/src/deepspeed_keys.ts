// The keys of a DeepSpeed configuration that mean something here: https://www.deepspeed.ai/docs/config-json.

/** What a flag may hold that a configuration can say. */
export type ConfigValue = string | number | boolean;

/** The value at a dotted key; undefined where there is none, or "auto". */
export type ValueAt = (key: string) => unknown;

/** The value at a key as a setting's; null where it cannot be one. */
export type ReadValue = (value: unknown, at: ValueAt) => ConfigValue | null;

export const readNumber = (value: unknown): number | null =>
  typeof value === "number" && Number.isFinite(value) ? value : null;

const readBoolean = (value: unknown): boolean | null => (typeof value === "boolean" ? value : null);

/** The number at `index` of a list. */
const readItem = (index: number) => (value: unknown) =>
  Array.isArray(value) ? readNumber(value[index]) : null;

/** A word in any case, as `words` translates it from lower case. */
const readWord = (words: Readonly<Record<string, string>>) => (value: unknown) =>
  typeof value === "string" ? (ownAt(words, value.toLowerCase()) ?? null) : null;

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
  "zero_optimization.stage": { zeroStage: readNumber },
  "zero_optimization.reduce_bucket_size": { bucketMegabytes: readMegabytes },
  "optimizer.type": optimizerSettings,
  [ADAM_W_MODE]: optimizerSettings,
  "optimizer.params.lr": { learningRate: readNumber },
  "optimizer.params.betas": { beta1: readItem(0), beta2: readItem(1) },
  "optimizer.params.eps": { epsilon: readNumber },
  "optimizer.params.weight_decay": { weightDecay: readNumber },
  "scheduler.type": {
    schedule: readWord({
      warmuplr: "constant",
      warmupdecaylr: "linear",
      warmupcosinelr: "cosine",
    }),
  },
  "scheduler.params.warmup_max_lr": { peakLearningRate: readNumber },
  "scheduler.params.warmup_min_lr": { minLearningRate: readNumber },
  "scheduler.params.warmup_num_steps": { warmup: readNumber },
  "scheduler.params.total_num_steps": { steps: readNumber },
} as const satisfies Record<string, Readonly<Record<string, ReadValue>>>;

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
