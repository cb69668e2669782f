// The flags of gpt-ddp as a RunConfig: which field each of them is.

import { readModel } from "@tessera/checkpoint";
import { readFlags, type ConfiguredFlags } from "@tessera/config";
import { gptModel, type GptConfig, type GptParams } from "@tessera/gpt";
import type { ModelTokenizer } from "@tessera/generation";
import type { OptimizerConfig } from "@tessera/optim";
import { openTokenizer } from "@tessera/tokenizer";
import { digestVocabulary } from "@tessera/tokenizer/flags";
import { resolvePrecision, type RunConfig, type ZeroStage } from "@tessera/trainer";
import { chooseBatch } from "./choose_batch.js";
import { openData } from "./choose_data.js";
import { chooseDuration } from "./choose_duration.js";
import { chooseConfig, resumedFolder, withSavedLength } from "./choose_model.js";
import { chooseSchedule, describeWarmup } from "./choose_schedule.js";
import { tokenizerName, withSpecials } from "./choose_tokenizer.js";
import { CHECKPOINTS, OPTIMIZER, PRECISION } from "./flag_names.js";
import type { Flags } from "./flags.js";
import { SETTING_NAMES } from "./setting_names.js";

export interface ChosenRun {
  readonly config: RunConfig<GptParams>;
  readonly gpt: GptConfig;
  readonly tokenizer: ModelTokenizer;
  /** What the user should know of the run, beside what its data says. */
  readonly notes: readonly string[];
}

/** @throws UserError for flags that contradict each other or what is on the disk. */
export async function chooseRun(given: ConfiguredFlags<Flags>, ranks: number): Promise<ChosenRun> {
  const configured = { ...given, flags: withSavedLength(given) };
  const tokenizer = openTokenizer(tokenizerName(configured.flags), {
    pattern: configured.flags.tiktoken_pattern,
  });
  const gpt = chooseConfig(configured, tokenizer.vocabularySize);
  const batch = chooseBatch(configured, ranks);
  const { microBatch: micro, accumulation } = batch;
  const { flags, text } = await chooseDuration(configured, tokenizer, batch);
  const { model_name_or_path: folder } = flags;
  const schedule = chooseSchedule(flags);
  const config: RunConfig<GptParams> = {
    model: gptModel(gpt),
    data: async (request) => {
      const data = await openData(flags, tokenizer, request, text);
      return flags.eval_strategy === "no" ? { ...data, validation: null } : data;
    },
    batch: { micro, accumulation },
    duration: { steps: flags.max_steps },
    parallel: {
      zeroStage: Number(flags.zero_stage) as ZeroStage,
      sumOrder: flags.sum_order,
      bucketBytes: flags.ddp_bucket_cap_mb * 2 ** 20,
    },
    optimizer: chooseOptimizer(flags),
    schedule,
    clipNorm: flags.max_grad_norm,
    precision: resolvePrecision({
      ...readFlags(flags, PRECISION),
      fixedLossScale: flags.loss_scale,
    }),
    ...(flags.gradient_checkpointing && { recompute: { kind: "uniform", layers: 1 } }),
    seed: flags.seed,
    ...(folder !== undefined && { weights: (spec) => readModel(folder, gpt, spec) }),
    ...(flags.do_train && { checkpoints: chooseCheckpoints(flags) }),
    resume: resumedFolder(flags),
    evaluation: { interval: flags.eval_steps, batch: flags.per_device_eval_batch_size },
    logInterval: flags.logging_steps,
    replicaCheckInterval: flags.compare_weights_steps,
    hashWeights: flags.log_weights_hash,
    identity: {
      vocabulary: digestVocabulary(tokenizer),
      max_len: flags.max_len,
      optim: flags.optim,
    },
    names: SETTING_NAMES,
    allowChanges: (name) =>
      flags.allow_changes ||
      !flags.do_train ||
      // It follows from the number of steps where it is not given.
      (name === "schedule.warmup" && !configured.origins.has("warmup_steps")),
    settings: flags,
  };
  return {
    config,
    gpt,
    tokenizer: withSpecials(tokenizer, flags, gpt),
    notes: describeWarmup(schedule),
  };
}

function chooseOptimizer(flags: Flags): OptimizerConfig {
  const { clipNorm: _, ...adam } = readFlags(flags, OPTIMIZER);
  if (flags.optim !== "sgd") return { kind: flags.optim, ...adam };
  return { kind: "sgd", momentum: adam.beta1, weightDecay: adam.weightDecay };
}

const chooseCheckpoints = (flags: Flags) => ({
  folder: flags.output_dir,
  interval: flags.save_strategy === "no" ? 0 : flags.save_steps,
  ...readFlags(flags, CHECKPOINTS),
  timeoutSeconds: 60 * flags.distributed_timeout_minutes,
});
