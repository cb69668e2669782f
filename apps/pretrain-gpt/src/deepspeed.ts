// Megatron's flags that stand for keys of a DeepSpeed configuration.

import { applyDeepSpeedConfig, UserError, type ConfiguredFlags } from "@tessera/config";
import { OPTIMIZER, PRECISION } from "./flag_names.js";
import { program, type Flags } from "./flags.js";

/**
 * The flags, with the values of `--deepspeed_config` in the place of defaults.
 * @throws UserError where one contradicts a flag that was given, naming both.
 */
export function configure(flags: Flags, given: ReadonlySet<string>): ConfiguredFlags<Flags> {
  const { deepspeed, deepspeed_config: path, strict } = flags;
  if (deepspeed !== (path !== undefined)) {
    throw new UserError(
      "--deepspeed, --deepspeed_config FILE: belong together; give both, or neither",
    );
  }
  return applyDeepSpeedConfig({
    path,
    option: "--deepspeed_config",
    groups: program.groups,
    flags,
    given,
    strict,
    settings: {
      globalBatch: "global-batch-size",
      microBatch: "micro-batch-size",
      accumulation: "gradient-accumulation-steps",
      ...PRECISION,
      ...OPTIMIZER,
      fixedLossScale: "loss-scale",
      zeroStage: "zero-stage",
      optimizerFamily: "optimizer",
      decoupledDecay: "adam-w-mode",
      learningRate: "lr",
      momentum: "sgd-momentum",
    },
    refusals: {
      "scheduler.type":
        "the learning rate follows from --lr-decay-style and its flags here; drop the scheduler",
    },
    overruled: ["loss-scale"],
  });
}
