// The folder of the checkpoints of a run. What is being written or removed has a hidden name; what is visible is
// complete. `latest` names the one that was written last.

import { existsSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isPartialOf, syncFolder, writeFileAtomic } from "@tessera/files";
import { INDEX } from "./index_format.js";

const LATEST = "latest";

const nameOf = (step: number): string => `checkpoint-${step}`;

/** Where a checkpoint is until it is complete. `token` is that of the job. */
export const partialFolder = (folder: string, step: number, token: string): string =>
  join(folder, `.${nameOf(step)}.partial-${token}`);

const isCheckpoint = (folder: string, name: string): boolean =>
  /^checkpoint-\d+$/.test(name) && existsSync(join(folder, name, INDEX));

const stepOf = (name: string): number => Number(name.slice("checkpoint-".length));

/** The names of the checkpoints in `folder`, sorted by step. */
const checkpointsIn = (folder: string): readonly string[] =>
  existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => isCheckpoint(folder, name))
        .sort((a, b) => stepOf(a) - stepOf(b))
    : [];

/** The path of the checkpoint in `folder` that was written last; undefined for none. */
export function latestCheckpoint(folder: string): string | undefined {
  const path = join(folder, LATEST);
  const named = existsSync(path) ? readFileSync(path, "utf8").trim() : "";
  // Where checkpoints were copied or removed by hand, `latest` may be wrong.
  const name = isCheckpoint(folder, named) ? named : checkpointsIn(folder).at(-1);
  return name === undefined ? undefined : join(folder, name);
}

/** Makes a complete checkpoint visible, in place of one of the same step. Returns its path. */
export function publish(folder: string, step: number, token: string): string {
  const partial = partialFolder(folder, step, token);
  const path = join(folder, nameOf(step));
  const replaced = join(folder, `.${nameOf(step)}.replaced-${token}`);
  syncFolder(partial);
  if (existsSync(path)) renameSync(path, replaced);
  renameSync(partial, path);
  writeFileAtomic(join(folder, LATEST), `${nameOf(step)}\n`);
  rmSync(replaced, { recursive: true, force: true });
  return path;
}

/** Removes checkpoints older than that of `step`, so that `keep` are left; 0 removes none. */
export function prune(folder: string, step: number, keep: number): void {
  if (keep === 0) return;
  const older = checkpointsIn(folder).filter((name) => stepOf(name) < step);
  for (const name of older.slice(0, Math.max(0, older.length - keep + 1))) remove(folder, name);
}

/** Removes every checkpoint in `folder`, and nothing else. */
export function removeCheckpoints(folder: string): void {
  rmSync(join(folder, LATEST), { force: true });
  for (const name of checkpointsIn(folder)) remove(folder, name);
}

/** Hides the checkpoint first: one that is partly removed must not be visible. */
function remove(folder: string, name: string): void {
  const hidden = join(folder, `.${name}.removed`);
  rmSync(hidden, { recursive: true, force: true });
  renameSync(join(folder, name), hidden);
  rmSync(hidden, { recursive: true });
}

/** Removes what a job left that was killed while it saved. The caller must hold the lock of the folder. */
export function recover(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (isPartialOf(LATEST, name)) rmSync(join(folder, name));
    const [, visible, state] = /^\.(checkpoint-\d+)\.(partial|replaced|removed)\b/.exec(name) ?? [];
    if (visible === undefined) continue;
    const isLost = state === "replaced" && !existsSync(join(folder, visible));
    if (isLost) renameSync(join(folder, name), join(folder, visible));
    else rmSync(join(folder, name), { recursive: true, force: true });
  }
}
