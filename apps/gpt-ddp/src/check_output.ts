// The folder that a run writes into, looked at before anything is.

import { accessSync, constants } from "node:fs";
import { isCheckpointOf, latestCheckpoint } from "@tessera/checkpoint";
import { UserError } from "@tessera/config";
import { makeFolder } from "@tessera/files";
import { resumedFolder } from "./choose_model.js";
import type { Flags } from "./flags.js";

/** The folder can be written, and nothing in it would be lost. */
export function checkOutput(flags: Flags): void {
  const { output_dir } = flags;
  try {
    makeFolder(output_dir);
    accessSync(output_dir, constants.W_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UserError(`--output_dir ${output_dir}: cannot be written (${code})`);
  }
  const existing = flags.overwrite_output_dir ? undefined : latestCheckpoint(output_dir);
  const resumed = resumedFolder(flags);
  const isOwn = resumed !== undefined && isCheckpointOf(resumed, output_dir);
  if (existing !== undefined && !isOwn) {
    throw new UserError(
      `--output_dir ${output_dir}: has ${existing} already; ` +
        "add --resume_from_checkpoint to go on, or --overwrite_output_dir to start again",
    );
  }
}
