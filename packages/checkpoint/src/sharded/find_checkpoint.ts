// The checkpoint that a user means by a folder.

import { existsSync, realpathSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { latestCheckpoint, locate } from "./folder.js";
import { isSharded } from "./open_checkpoint.js";

/** What a folder that a user names has. */
export type FolderContent =
  | { readonly kind: "checkpoint"; readonly path: string }
  /** `why`: the end of a sentence that begins with the folder. */
  | { readonly kind: "model" | "nothing"; readonly path?: undefined; readonly why: string };

/** The checkpoint that `folder` is, or the latest of those in it; else what is there instead. */
export function findCheckpoint(folder: string): FolderContent {
  const path = isSharded(locate(folder)) ? locate(folder) : latestCheckpoint(folder);
  if (path !== undefined) return { kind: "checkpoint", path };
  const stats = statSync(folder, { throwIfNoEntry: false });
  if (stats === undefined) return { kind: "nothing", why: "is not there; check the path" };
  if (!stats.isDirectory()) {
    return { kind: "nothing", why: "is a file, must be a folder of checkpoints" };
  }
  return existsSync(join(folder, "config.json"))
    ? { kind: "model", why: "has a model in Hugging Face's form, and no checkpoint" }
    : { kind: "nothing", why: "has no checkpoint in it; check the path" };
}

/** Whether `checkpoint` is one of those in `folder`. */
export const isCheckpointOf = (checkpoint: string, folder: string): boolean =>
  existsSync(folder) && realpathSync(dirname(checkpoint)) === realpathSync(folder);
