// The flags of gpt-ddp as a RunConfig: which field each of them is.

import { readModel } from "@tessera/checkpoint";
import { readFlags, type ConfiguredFlags } from "@tessera/config";
import { gptModel, type GptConfig, type GptParams } from "@tessera/gpt";
import type { OptimizerConfig } from "@tessera/optim";
import { openTokenizer, type Tokenizer } from "@tessera/tokenizer";
import { resolvePrecision, type RunConfig, type ZeroStage } from "@tessera/trainer";
import { chooseBatch } from "./choose_batch.js";
import { openData } from "./choose_data.js";
import { chooseConfig, resumedFolder } from "./choose_model.js";
import { chooseSchedule } from "./choose_schedule.js";
import { CHECKPOINTS, OPTIMIZER, PRECISION } from "./flag_names.js";
import type { Flags } from "./flags.js";

export interface ChosenRun {
  readonly config: RunConfig<GptParams>;
  readonly gpt: GptConfig;
  readonly tokenizer: Tokenizer;
}

/** @throws UserError for flags that contradict each other or what is on the disk. */
export function chooseRun(configured: ConfiguredFlags<Flags>, ranks: number): ChosenRun {
  const { flags } = configured;
  const tokenizer = openTokenizer(flags.tokenizer);
  const gpt = chooseConfig(flags, tokenizer.vocabularySize);
  const { microBatch: micro, accumulation } = chooseBatch(configured, ranks);
  const { model_name_or_path: folder } = flags;
  const config: RunConfig<GptParams> = {
    model: gptModel(gpt),
    data: (request) => openData(flags, tokenizer, request),
    batch: { micro, accumulation },
    duration: { steps: flags.max_steps },
    parallel: {
      zeroStage: Number(flags.zero_stage) as ZeroStage,
      bucketBytes: flags.ddp_bucket_cap_mb * 2 ** 20,
    },
    optimizer: chooseOptimizer(flags),
    schedule: chooseSchedule(flags),
    clipNorm: flags.max_grad_norm,
    precision: resolvePrecision(readFlags(flags, PRECISION)),
    seed: flags.seed,
    ...(folder !== undefined && { weights: () => readModel(folder, gpt) }),
    ...(flags.do_train && { checkpoints: chooseCheckpoints(flags) }),
    resume: resumedFolder(flags),
    evaluation: { interval: flags.eval_steps, batch: flags.per_device_eval_batch_size },
    logInterval: flags.logging_steps,
    replicaCheckInterval: flags.compare_weights_steps,
    identity: { tokenizer: tokenizer.name, max_len: flags.max_len, optim: flags.optim },
    settings: flags,
  };
  return { config, gpt, tokenizer };
}

function chooseOptimizer(flags: Flags): OptimizerConfig {
  const { clipNorm: _, ...adam } = readFlags(flags, OPTIMIZER);
  if (flags.optim !== "sgd") return { kind: flags.optim, ...adam };
  return { kind: "sgd", momentum: adam.beta1, weightDecay: adam.weightDecay };
}

const chooseCheckpoints = (flags: Flags) => ({
  folder: flags.output_dir,
  interval: flags.save_steps,
  ...readFlags(flags, CHECKPOINTS),
  timeoutSeconds: 60 * flags.distributed_timeout_minutes,
});
