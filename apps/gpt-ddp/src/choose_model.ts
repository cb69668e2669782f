// Which model the flags ask for, and its first parameters.

import { latestCheckpoint, readModel, readModelConfig } from "@tessera/checkpoint";
import { UserError } from "@tessera/config";
import { uniformDropout, gpt, preset, type GptConfig, type GptParams } from "@tessera/gpt";
import { materialize } from "@tessera/layers";
import { initialTrainingState, resumeRun, type TrainingState } from "@tessera/trainer";
import type { Flags } from "./flags.js";
import type { Run } from "./plan.js";

/** The model's sizes: a folder's, or those named, changed by flags. */
export function chooseConfig(flags: Flags, vocabularySize: number): GptConfig {
  const { model_name_or_path: folder, max_len } = flags;
  const dropout = uniformDropout(flags.dropout);
  if (folder === undefined) {
    return preset(flags.model, {
      ...(flags.n_layer !== undefined && { layerCount: flags.n_layer }),
      ...(flags.n_embd !== undefined && {
        hiddenSize: flags.n_embd,
        ffnHiddenSize: 4 * flags.n_embd,
      }),
      ...headsOf(flags),
      vocabularySize,
      maxPositions: max_len,
      dropout,
    });
  }
  const config = readModelConfig(folder);
  if (config.vocabularySize < vocabularySize) {
    throw new UserError(
      `${folder}: knows ${config.vocabularySize} ids, tokenizer ${flags.tokenizer} has ` +
        `${vocabularySize}; choose another tokenizer`,
    );
  }
  if (config.maxPositions < max_len) {
    throw new UserError(`--max_len ${max_len}: ${folder} has ${config.maxPositions} positions`);
  }
  return { ...config, dropout };
}

const headsOf = ({ n_head }: Flags): Partial<GptConfig> =>
  n_head === undefined ? {} : { headCount: n_head, kvHeadCount: n_head };

/** The checkpoint that the flags ask to resume from; undefined for a fresh start. */
export function resumedFolder(flags: Flags): string | undefined {
  const { resume_from_checkpoint: asked, output_dir } = flags;
  if (asked === undefined || asked.toLowerCase() === "false") return undefined;
  const isAuto = asked.toLowerCase() === "auto";
  if (asked.toLowerCase() !== "true" && !isAuto) return asked;
  const latest = latestCheckpoint(output_dir);
  if (latest === undefined && !isAuto) {
    throw new UserError(`--resume_from_checkpoint: ${output_dir} has no checkpoint`);
  }
  return latest;
}

/** Where training starts: fresh, from a model's folder, or where a checkpoint left off. */
export function startingState(
  flags: Flags,
  { plan, config, identity }: Run,
): TrainingState<GptParams> {
  const resumed = resumedFolder(flags);
  if (resumed !== undefined) return resumeRun(plan, resumed, identity);
  const { model_name_or_path: folder, seed } = flags;
  const params =
    folder === undefined
      ? materialize<GptParams>(gpt(config).spec, seed)
      : readModel(folder, config);
  return initialTrainingState(plan, params);
}
