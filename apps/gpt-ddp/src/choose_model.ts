// Which model the flags ask for, and which checkpoint they go on from.

import { latestCheckpoint, readModelConfig } from "@tessera/checkpoint";
import { UserError } from "@tessera/config";
import { preset, uniformDropout, type GptConfig } from "@tessera/gpt";
import type { Flags } from "./flags.js";

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
