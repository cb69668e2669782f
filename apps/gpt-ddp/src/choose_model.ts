// Which model the flags ask for, and which checkpoint they go on from.

import { findCheckpoint, readModelConfig, readProgress } from "@tessera/checkpoint";
import { UserError, type ConfiguredFlags } from "@tessera/config";
import { preset, uniformDropout, type GptConfig } from "@tessera/gpt";
import { tokenizerName } from "./choose_tokenizer.js";
import type { Flags } from "./flags.js";

/** The model's sizes: those of the checkpoint that is resumed, of a folder, or those named, changed by flags. */
export function chooseConfig(
  { flags, origins }: Pick<ConfiguredFlags<Flags>, "flags" | "origins">,
  vocabularySize: number,
): GptConfig {
  const { model_name_or_path: folder, max_len } = flags;
  const resumed = resumedFolder(flags);
  const dropout = uniformDropout(flags.dropout);
  if (resumed !== undefined && !origins.has("model")) {
    const { maxPositions, ...saved } = readModelConfig(resumed);
    const isLonger = folder === undefined && origins.has("max_len");
    const positions = isLonger ? max_len : maxPositions;
    return { ...saved, ...sizesOf(flags), maxPositions: positions, vocabularySize, dropout };
  }
  if (folder === undefined) {
    return preset(flags.model, {
      ...sizesOf(flags),
      vocabularySize,
      maxPositions: max_len,
      dropout,
    });
  }
  const config = readModelConfig(folder);
  if (config.vocabularySize < vocabularySize) {
    throw new UserError(
      `${folder}: knows ${config.vocabularySize} ids, tokenizer ${tokenizerName(flags)} has ` +
        `${vocabularySize}; choose another tokenizer`,
    );
  }
  if (config.maxPositions < max_len) {
    throw new UserError(`--max_len ${max_len}: ${folder} has ${config.maxPositions} positions`);
  }
  return { ...config, dropout };
}

/** Those that flags name, in place of a model's own. */
const sizesOf = ({ n_layer, n_embd, n_head }: Flags): Partial<GptConfig> => ({
  ...(n_layer !== undefined && { layerCount: n_layer }),
  ...(n_embd !== undefined && { hiddenSize: n_embd, ffnHiddenSize: 4 * n_embd }),
  ...(n_head !== undefined && { headCount: n_head, kvHeadCount: n_head }),
});

/** The flags, with the length of samples of the checkpoint that is resumed, where none is given. */
export function withSavedLength({ flags, origins }: ConfiguredFlags<Flags>): Flags {
  const resumed = resumedFolder(flags);
  if (resumed === undefined || origins.has("max_len")) return flags;
  const { max_len: saved } = readProgress(resumed).identity;
  return typeof saved === "number" ? { ...flags, max_len: saved } : flags;
}

/**
 * The checkpoint that the flags ask to resume from; undefined for a fresh start.
 * @throws UserError where they name what has none.
 */
export function resumedFolder(flags: Flags): string | undefined {
  const { resume_from_checkpoint: asked, output_dir } = flags;
  if (asked === undefined || asked.toLowerCase() === "false") return undefined;
  const isAuto = asked.toLowerCase() === "auto";
  const folder = isAuto || asked.toLowerCase() === "true" ? output_dir : asked;
  const content = findCheckpoint(folder);
  if (content.kind === "checkpoint" || isAuto) return content.path;
  const advice = content.kind === "model" ? "; --model_name_or_path starts from one" : "";
  throw new UserError(`--resume_from_checkpoint: ${folder} ${content.why}${advice}`);
}

/** One line on what was loaded. */
export function describeStart(flags: Flags, resume: string | undefined, step: number): string {
  const { model_name_or_path: folder, output_dir, resume_from_checkpoint: asked } = flags;
  if (resume !== undefined) return `loaded ${resume}: resume from step ${step}`;
  if (folder !== undefined) return `loaded ${folder}: its weights alone`;
  const why = asked === undefined ? "nothing is named" : `${output_dir} has no checkpoint yet`;
  return `loaded nothing, as ${why}: training starts anew`;
}
