// From flags to a plan: every choice is made, and every mistake refused, before training starts.

import { accessSync, constants, mkdirSync } from "node:fs";
import { latestCheckpoint, readProgress } from "@tessera/checkpoint";
import { resolveBatch, UserError } from "@tessera/config";
import type { GptConfig } from "@tessera/gpt";
import { adam, decayOf, sgd, type Decays, type Optimizer } from "@tessera/optim";
import { openTokenizer, type Tokenizer } from "@tessera/tokenizer";
import { layOut, type Layout, type TrainingPlan } from "@tessera/trainer";
import type { World } from "@tessera/collectives";
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
  const laidOut = layOut(world, config, layoutOf(flags, world, config), { storage });
  const plan: TrainingPlan = {
    ...laidOut,
    optimizer: optimizerOf(flags, decayOf(laidOut.model.spec)),
    schedule: {
      kind: flags.lr_scheduler_type,
      peak: flags.learning_rate,
      floor: Math.min(flags.min_learning_rate, flags.learning_rate),
      warmup: Math.min(flags.warmup_steps, flags.max_steps),
      total: flags.max_steps,
    },
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
    },
  };
  const identity = { seed, tokenizer: tokenizer.name, max_len, ...data.identity };
  return { plan, tokenizer, data, identity: { ...identity, optim: flags.optim } };
}

/** All ranks see different samples. */
const layoutOf = (flags: Flags, { size }: World, { layerCount }: GptConfig): Layout => ({
  degrees: { pipeline: 1, data: size, tensor: 1 },
  sequenceParallel: false,
  zeroStage: Number(flags.zero_stage) as 0 | 1 | 2 | 3,
  bucketBytes: flags.ddp_bucket_cap_mb * 2 ** 20,
  schedule: "1f1b",
  layers: [{ start: 0, size: layerCount }],
});

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
