// From flags to a plan: every choice is made, and every mistake refused, before training starts.

import { accessSync, constants, mkdirSync } from "node:fs";
import { latestCheckpoint, readProgress } from "@tessera/checkpoint";
import { resolveBatch, UserError } from "@tessera/config";
import { gpt, type Gpt, type GptParams } from "@tessera/gpt";
import { alone } from "@tessera/tensor-parallel";
import { adam, decayOf, sgd, type Decays, type Optimizer } from "@tessera/optim";
import { openTokenizer, type Tokenizer } from "@tessera/tokenizer";
import type { TrainingPlan } from "@tessera/trainer";
import type { ProcessGroup, World } from "@tessera/collectives";
import { fullyShard, replicate, shardAll, type Sharing } from "@tessera/data-parallel";
import type { BackendName } from "./backend.js";
import { choosePrecision } from "./precision.js";
import { chooseData, type Data } from "./choose_data.js";
import { chooseConfig, resumedFolder, type Identity } from "./choose_model.js";
import type { Flags } from "./flags.js";

export interface Run {
  readonly plan: TrainingPlan;
  readonly tokenizer: Tokenizer;
  readonly data: Data;
  /** What a run that continues this one must share with it. */
  readonly identity: Identity;
}

/** Throws a UserError for whatever cannot be. */
export async function makeRun(flags: Flags, backend: BackendName, world: World): Promise<Run> {
  const { storage, lossScaling } = choosePrecision(flags, backend);
  const tokenizer = openTokenizer(flags.tokenizer);
  const config = chooseConfig(flags, tokenizer.vocabularySize);
  if (world.rank === 0) checkOutput(flags);
  const { max_len, seed } = flags;
  const batch = resolveBatch({
    microBatch: flags.per_device_train_batch_size,
    accumulation: flags.gradient_accumulation_steps,
    dataRanks: world.size,
  });
  const folder = resumedFolder(flags);
  const resumed = folder === undefined ? undefined : readProgress(folder);
  const data = await chooseData(flags, { tokenizer, batch, group: world.all, resumed });
  const isSharded = flags.zero_stage === "3";
  const model = gpt(config, { storage, ...(isSharded && { around: shardAll(world.all) }) });
  const plan: TrainingPlan = {
    model,
    optimizer: optimizerOf(flags, decayOf(model.spec)),
    schedule: {
      kind: flags.lr_scheduler_type,
      peak: flags.learning_rate,
      floor: Math.min(flags.min_learning_rate, flags.learning_rate),
      warmup: Math.min(flags.warmup_steps, flags.max_steps),
      total: flags.max_steps,
    },
    batch,
    sharing: sharingOf(flags, model.spec, world.all),
    tensor: alone,
    clipNorm: flags.max_grad_norm,
    lossScaling,
    seed,
    train: data.train,
    validation: data.validation,
    evalBatch: flags.per_device_eval_batch_size,
    intervals: {
      steps: flags.max_steps,
      logging: flags.logging_steps,
      evaluation: flags.eval_steps,
      saving: flags.save_steps,
    },
  };
  const identity = { seed, tokenizer: tokenizer.name, max_len, ...data.identity };
  return { plan, tokenizer, data, identity: { ...identity, optim: flags.optim } };
}

function sharingOf(flags: Flags, spec: Gpt["spec"], group: ProcessGroup): Sharing<GptParams> {
  const stage = Number(flags.zero_stage) as 0 | 1 | 2 | 3;
  if (stage === 3) return fullyShard<GptParams>(spec, group);
  const bucketBytes = flags.ddp_bucket_cap_mb * 2 ** 20;
  return replicate<GptParams>(spec, group, { stage, bucketBytes });
}

function optimizerOf(flags: Flags, decays: Decays): Optimizer {
  const { adam_beta1: beta1, adam_beta2: beta2, adam_epsilon: epsilon, weight_decay } = flags;
  if (flags.optim === "sgd") return sgd({ momentum: beta1, weightDecay: weight_decay }, decays);
  const decoupled = flags.optim === "adamw";
  return adam({ beta1, beta2, epsilon, weightDecay: weight_decay, decoupled }, decays);
}

/** The folder can be written, and nothing in it would be lost. */
function checkOutput(flags: Flags): void {
  const { output_dir } = flags;
  try {
    mkdirSync(output_dir, { recursive: true });
    accessSync(output_dir, constants.W_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UserError(`--output_dir ${output_dir}: cannot be written (${code})`);
  }
  const isFresh = resumedFolder(flags) === undefined && !flags.overwrite_output_dir;
  const existing = isFresh ? latestCheckpoint(output_dir) : undefined;
  if (existing !== undefined) {
    throw new UserError(
      `--output_dir ${output_dir}: has ${existing} already; ` +
        "add --resume_from_checkpoint to go on, or --overwrite_output_dir to train anew",
    );
  }
}
