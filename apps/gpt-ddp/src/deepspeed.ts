// The flags that stand for keys of a DeepSpeed configuration.

import { applyDeepSpeedConfig, type ConfiguredFlags } from "@tessera/config";
import { program, type Flags } from "./flags.js";

/** The flags with the values of `--deepspeed`, if it is among them, in the place of defaults. */
export const configure = (flags: Flags, given: ReadonlySet<string>): ConfiguredFlags<Flags> =>
  applyDeepSpeedConfig({
    path: flags.deepspeed,
    option: "--deepspeed",
    groups: program.groups,
    flags,
    given,
    strict: flags.strict,
    settings: {
      microBatch: "per_device_train_batch_size",
      accumulation: "gradient_accumulation_steps",
      clipNorm: "max_grad_norm",
      fp16: "fp16",
      initialLossScale: "initial_loss_scale",
      lossScaleWindow: "loss_scale_window",
      hysteresis: "hysteresis",
      minLossScale: "min_loss_scale",
      bf16: "bf16",
      zeroStage: "zero_stage",
      bucketMegabytes: "ddp_bucket_cap_mb",
      optimizer: "optim",
      learningRate: "learning_rate",
      beta1: "adam_beta1",
      beta2: "adam_beta2",
      epsilon: "adam_epsilon",
      weightDecay: "weight_decay",
      schedule: "lr_scheduler_type",
      peakLearningRate: "learning_rate",
      minLearningRate: "min_learning_rate",
      warmup: "warmup_steps",
      steps: "max_steps",
    },
  });
