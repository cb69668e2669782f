// The flags that stand for keys of a DeepSpeed configuration.

import { applyDeepSpeedConfig, type ConfiguredFlags } from "@tessera/config";
import { OPTIMIZER, PRECISION } from "./flag_names.js";
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
      ...PRECISION,
      ...OPTIMIZER,
      zeroStage: "zero_stage",
      bucketMegabytes: "ddp_bucket_cap_mb",
      optimizer: "optim",
      learningRate: "learning_rate",
      fixedLossScale: "loss_scale",
      momentum: "adam_beta1",
      schedule: "lr_scheduler_type",
      scheduleArguments: "lr_scheduler_kwargs",
      peakLearningRate: "learning_rate",
      warmup: "warmup_steps",
      steps: "max_steps",
    },
  });
