// The folder that a run writes into, looked at before anything is.

import { accessSync, constants, mkdirSync } from "node:fs";
import { latestCheckpoint } from "@tessera/checkpoint";
import { UserError } from "@tessera/config";
import { resumedFolder } from "./choose_model.js";
import type { Flags } from "./flags.js";

/** The folder can be written, and nothing in it would be lost. */
export function checkOutput(flags: Flags): void {
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
        "add --resume_from_checkpoint to go on, or --overwrite_output_dir to start again",
    );
  }
}
