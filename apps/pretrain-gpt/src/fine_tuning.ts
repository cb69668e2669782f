// What is trained of the model that a run starts from: all of it, all but what is frozen, or adapters.

import { readModel, readModelConfig, readOpenModel } from "@tessera/checkpoint";
import { chooseLora, openToAdapt } from "@tessera/checkpoint/adapters";
import { readFlags, UserError } from "@tessera/config";
import { gptModel, type GptConfig, type GptParams } from "@tessera/gpt";
import { freezeMatching, type Model } from "@tessera/model";
import type { RunConfig } from "@tessera/trainer";
import { FINE_TUNING } from "./flag_names.js";
import type { Flags } from "./flags.js";
import { pretrainedFolder } from "./pretrained.js";

/**
 * `base` with the adapters that flags ask for, or else those of the checkpoint `resume`.
 * @throws UserError where there is no model to adapt, or flags contradict each other.
 */
export function withAdapters(flags: Flags, base: GptConfig, resume: string | undefined): GptConfig {
  const asked = chooseLora(base, readFlags(flags, FINE_TUNING), FINE_TUNING);
  const lora = asked ?? (resume === undefined ? undefined : readModelConfig(resume).lora);
  if (lora === undefined) return base;
  const flag = flags.adapter === undefined ? FINE_TUNING.rank : FINE_TUNING.adapter;
  if (asked !== undefined && base.lora !== undefined) {
    throw new UserError(
      `--${flag}: the model has adapters already; leave it out to train these, or merge them with tessera convert`,
    );
  }
  if (resume === undefined && pretrainedFolder(flags) === undefined) {
    throw new UserError(`--${flag}: adapts a model; name it by --pretrained-checkpoint`);
  }
  return { ...base, lora };
}

/** The model of `config`, with those parameters frozen that flags name. */
export function modelToTrain({ freeze }: Flags, config: GptConfig): Model<GptParams> {
  const model = gptModel(config);
  return freeze.length === 0 ? model : freezeMatching(model, freeze);
}

/** The weights of a fresh start, of a model of `config`; undefined for random ones. */
export function startingWeights(flags: Flags, config: GptConfig): RunConfig<GptParams>["weights"] {
  const folder = pretrainedFolder(flags);
  if (folder === undefined) return undefined;
  const { lora } = config;
  if (lora === undefined || readModelConfig(folder).lora !== undefined) {
    return (spec) => readModel(folder, config, spec);
  }
  return (spec) => readOpenModel(openToAdapt(folder, lora, flags), spec);
}
