// --use-checkpoint-args: the model's sizes as the run that saved a checkpoint had them.

import { openCheckpoint } from "@tessera/checkpoint";
import { UserError } from "@tessera/config";
import { chooseStart } from "./choose_start.js";
import { program, type Flags } from "./flags.js";
import { pretrainedFolder } from "./pretrained.js";

/**
 * `flags`, with those of the model as the checkpoint in --load was trained with.
 * @throws UserError where there is none, or where it was saved by a program with other flags.
 */
export function takeCheckpointArgs(flags: Flags): Flags {
  // A model to start from says its sizes in any case.
  if (!flags["use-checkpoint-args"] || pretrainedFolder(flags) !== undefined) return flags;
  const folder = chooseStart(flags);
  if (folder === undefined) {
    throw new UserError("--use-checkpoint-args: there is no checkpoint; --load names one");
  }
  const checkpoint = openCheckpoint(folder);
  const saved = checkpoint.settings;
  checkpoint.close();
  if (!Object.hasOwn(saved, "num-layers")) {
    throw new UserError(
      `--use-checkpoint-args: ${folder} was not saved by pretrain-gpt; give the sizes`,
    );
  }
  const taken = Object.entries(program.groups.Model).flatMap(([name, flag]) => {
    const value = Object.hasOwn(saved, name) ? saved[name] : undefined;
    if (value === undefined || value === null) return [];
    const text = typeof value === "string" ? value : JSON.stringify(value);
    try {
      return [[name, flag.parse([text])] as const];
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      throw new UserError(`${folder}: its --${name} ${text} ${error.message}`);
    }
  });
  return { ...flags, ...(Object.fromEntries(taken) as Partial<Flags>) };
}
