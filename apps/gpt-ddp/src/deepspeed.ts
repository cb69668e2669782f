// What the keys of a DeepSpeed configuration mean among the flags.

import {
  ADAM_W_MODE,
  item,
  logical,
  numeric,
  optimizerKind,
  powerOfTwo,
  withDeepSpeed,
  word,
  type Configured,
  type Meanings,
} from "@tessera/config";
import { program, type Flags } from "./flags.js";

const SCHEDULERS = word({
  warmuplr: "constant",
  warmupdecaylr: "linear",
  warmupcosinelr: "cosine",
});

const BYTES_PER_ELEMENT = 4;

function megabytes(value: unknown): number | null {
  const elements = numeric(value);
  return elements === null ? null : (elements * BYTES_PER_ELEMENT) / 2 ** 20;
}

const meanings: Meanings<Flags> = {
  train_micro_batch_size_per_gpu: [{ flag: "per_device_train_batch_size", read: numeric }],
  gradient_accumulation_steps: [{ flag: "gradient_accumulation_steps", read: numeric }],
  gradient_clipping: [{ flag: "max_grad_norm", read: numeric }],
  "fp16.enabled": [{ flag: "fp16", read: logical }],
  "fp16.initial_scale_power": [{ flag: "initial_loss_scale", read: powerOfTwo }],
  "fp16.loss_scale_window": [{ flag: "loss_scale_window", read: numeric }],
  "fp16.hysteresis": [{ flag: "hysteresis", read: numeric }],
  "fp16.min_loss_scale": [{ flag: "min_loss_scale", read: numeric }],
  "bf16.enabled": [{ flag: "bf16", read: logical }],
  "zero_optimization.stage": [{ flag: "zero_stage", read: numeric }],
  "zero_optimization.reduce_bucket_size": [{ flag: "ddp_bucket_cap_mb", read: megabytes }],
  "optimizer.type": [{ flag: "optim", read: (type, at) => optimizerKind(type, at(ADAM_W_MODE)) }],
  [ADAM_W_MODE]: [
    {
      flag: "optim",
      read: (mode, at) =>
        logical(mode) === null ? null : optimizerKind(at("optimizer.type"), mode),
    },
  ],
  "optimizer.params.lr": [{ flag: "learning_rate", read: numeric }],
  "optimizer.params.betas": [
    { flag: "adam_beta1", read: item(0) },
    { flag: "adam_beta2", read: item(1) },
  ],
  "optimizer.params.eps": [{ flag: "adam_epsilon", read: numeric }],
  "optimizer.params.weight_decay": [{ flag: "weight_decay", read: numeric }],
  "scheduler.type": [{ flag: "lr_scheduler_type", read: SCHEDULERS }],
  "scheduler.params.warmup_max_lr": [{ flag: "learning_rate", read: numeric }],
  "scheduler.params.warmup_min_lr": [{ flag: "min_learning_rate", read: numeric }],
  "scheduler.params.warmup_num_steps": [{ flag: "warmup_steps", read: numeric }],
  "scheduler.params.total_num_steps": [{ flag: "max_steps", read: numeric }],
};

/** The flags with the values of `--deepspeed`, if it is among them, in the place of defaults. */
export const configure = (flags: Flags, given: ReadonlySet<string>): Configured<Flags> =>
  withDeepSpeed({
    path: flags.deepspeed,
    option: "--deepspeed",
    groups: program.groups,
    flags,
    given,
    meanings,
    strict: flags.strict,
  });
