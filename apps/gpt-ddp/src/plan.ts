// From flags to a plan: every choice is made, and every mistake refused, before training starts.

import { accessSync, constants, mkdirSync } from "node:fs";
import { latestCheckpoint, readProgress } from "@tessera/checkpoint";
import { UserError, type BatchPlan } from "@tessera/config";
import { gptModel, type GptConfig, type GptParams } from "@tessera/gpt";
import type { FloatStorage } from "@tessera/kernels";
import { adam, decayOf, sgd, type Decays, type Optimizer } from "@tessera/optim";
import { openTokenizer, type Tokenizer } from "@tessera/tokenizer";
import {
  parallelize,
  resolvePrecision,
  checkStorage,
  type Identity,
  type Precision,
  type TrainingPlan,
  type ZeroStage,
} from "@tessera/trainer";
import type { World } from "@tessera/collectives";
import { chooseData, type Data } from "./choose_data.js";
import { chooseConfig, resumedFolder } from "./choose_model.js";
import { chooseSchedule } from "./choose_schedule.js";
import type { Flags } from "./flags.js";

export interface Run {
  readonly plan: TrainingPlan<GptParams>;
  readonly config: GptConfig;
  readonly stage: ZeroStage;
  readonly storage: FloatStorage;
  readonly tokenizer: Tokenizer;
  readonly data: Data;
  /** What a run that continues this one must share with it. */
  readonly identity: Identity;
}

/** Where a run takes place, and how much of it at once. */
export interface Place {
  readonly world: World;
  readonly batch: BatchPlan;
}

/** Throws a UserError for whatever cannot be. */
export async function makeRun(flags: Flags, { world, batch }: Place): Promise<Run> {
  const { storage, lossScaling } = choosePrecision(flags);
  checkStorage(storage);
  const tokenizer = openTokenizer(flags.tokenizer);
  const config = chooseConfig(flags, tokenizer.vocabularySize);
  const { max_len, seed } = flags;
  const folder = resumedFolder(flags);
  const resumed = folder === undefined ? undefined : readProgress(folder);
  const data = await chooseData(flags, { tokenizer, batch, group: world.all, resumed });
  const stage = Number(flags.zero_stage) as ZeroStage;
  const parallel = { zeroStage: stage, bucketBytes: flags.ddp_bucket_cap_mb * 2 ** 20 };
  const laidOut = parallelize(world, gptModel(config), parallel, { storage });
  const plan: TrainingPlan<GptParams> = {
    ...laidOut,
    optimizer: optimizerOf(flags, decayOf(laidOut.model.spec)),
    schedule: chooseSchedule(flags),
    batch,
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
      replicaCheck: flags.compare_weights_steps,
    },
  };
  const identity = { seed, tokenizer: tokenizer.name, max_len, ...data.identity };
  return {
    plan,
    config,
    stage,
    storage,
    tokenizer,
    data,
    identity: { ...identity, optim: flags.optim },
  };
}

const choosePrecision = (flags: Flags): Precision =>
  resolvePrecision({
    bf16: flags.bf16,
    fp16: flags.fp16,
    scaling: {
      initial: flags.initial_loss_scale,
      minimum: flags.min_loss_scale,
      window: flags.loss_scale_window,
      hysteresis: flags.hysteresis,
    },
  });

function optimizerOf(flags: Flags, decays: Decays): Optimizer {
  const { adam_beta1: beta1, adam_beta2: beta2, adam_epsilon: epsilon, weight_decay } = flags;
  if (flags.optim === "sgd") return sgd({ momentum: beta1, weightDecay: weight_decay }, decays);
  const decoupled = flags.optim === "adamw";
  return adam({ beta1, beta2, epsilon, weightDecay: weight_decay, decoupled }, decays);
}

/** The folder can be written, and nothing in it would be lost. */
export function checkOutput(flags: Flags): void {
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
