// The configuration of an adapter, as PEFT's adapter_config.json has it.

import { UserError } from "@tessera/config";
import type { LoraConfig } from "@tessera/gpt/lora";
import * as v from "valibot";
import { parse, positive, rate, size } from "../hugging_face/fields.js";

const rank = v.pipe(size, v.maxValue(2 ** 16));

/** The keys that are obeyed. */
const Obeyed = v.object({
  peft_type: v.literal("LORA"),
  r: rank,
  lora_alpha: positive,
  lora_dropout: v.optional(rate, 0),
  use_rslora: v.optional(v.boolean(), false),
  target_modules: v.union([v.array(v.string()), v.literal("all-linear")]),
  task_type: v.nullish(v.literal("CAUSAL_LM")),
  bias: v.optional(v.literal("none"), "none"),
  // Others begin with another base than the model's.
  init_lora_weights: v.optional(v.union([v.boolean(), v.literal("gaussian")]), true),
});

/** What an adapter's file says of it. */
export type AdapterFile = v.InferOutput<typeof Obeyed>;

/** Keys that change no number of an adapter that is trained. */
const WITHOUT_EFFECT: ReadonlySet<string> = new Set([
  "auto_mapping",
  "base_model_name_or_path",
  "fan_in_fan_out",
  "inference_mode",
  "megatron_core",
  "peft_version",
  "qalora_group_size",
  "revision",
  "runtime_config",
]);

const isOff = (value: unknown): boolean =>
  value === null ||
  value === false ||
  (typeof value === "object" && Object.keys(value).length === 0);

/**
 * What adapter_config.json at `path` says.
 * @throws UserError that names the first key that is not valid, or asks for what is not supported, and its value.
 */
export function parseAdapterConfig(json: unknown, path: string): AdapterFile {
  const file = parse(Obeyed, json, path);
  for (const [key, value] of Object.entries(json as Readonly<Record<string, unknown>>)) {
    if (Object.hasOwn(Obeyed.entries, key) || WITHOUT_EFFECT.has(key) || isOff(value)) continue;
    throw new UserError(
      `${path}: ${key} is ${JSON.stringify(value).slice(0, 60)}, which is not supported`,
    );
  }
  return file;
}

/** What adapter_config.json says of adapters of the linear layers that are called `modules`. */
export const formatAdapterConfig = (
  { rank, alpha, dropout, rankStabilized }: LoraConfig,
  modules: readonly string[],
  { base, isTransposed }: { readonly base: string | null; readonly isTransposed: boolean },
): Readonly<Record<string, unknown>> => ({
  base_model_name_or_path: base,
  bias: "none",
  fan_in_fan_out: !isTransposed,
  inference_mode: true,
  init_lora_weights: true,
  lora_alpha: alpha,
  lora_dropout: dropout,
  modules_to_save: null,
  peft_type: "LORA",
  r: rank,
  target_modules: modules,
  task_type: "CAUSAL_LM",
  use_dora: false,
  use_rslora: rankStabilized,
});

/** The configuration of `file`, which adapts `targets`. */
export const loraOf = (file: AdapterFile, targets: LoraConfig["targets"]): LoraConfig => ({
  rank: file.r,
  alpha: file.lora_alpha,
  rankStabilized: file.use_rslora,
  dropout: file.lora_dropout,
  targets,
});
