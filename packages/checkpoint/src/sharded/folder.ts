// The folder of the checkpoints of a run. What is being written or removed has a hidden name; what is visible is
// complete. `latest` names the one that was written last.

import { existsSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { readText, removeLeftovers, syncFolder, writeFileAtomic } from "@tessera/files";
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
  namesIn(folder)
    .filter((name) => isCheckpoint(folder, name))
    .sort((a, b) => stepOf(a) - stepOf(b));

const namesIn = (folder: string): readonly string[] =>
  statSync(folder, { throwIfNoEntry: false })?.isDirectory() ? readdirSync(folder) : [];

const REPLACED = /^\.(checkpoint-\d+)\.replaced-\w+$/;

/** Paths of checkpoints by name: of visible ones, and of those that a job was about to replace when it was killed. */
function pathsIn(folder: string): ReadonlyMap<string, string> {
  const replaced = namesIn(folder).flatMap((hidden): [string, string][] => {
    const name = REPLACED.exec(hidden)?.[1];
    const isWhole = existsSync(join(folder, hidden, INDEX));
    return name === undefined || !isWhole ? [] : [[name, join(folder, hidden)]];
  });
  const visible = checkpointsIn(folder).map((name): [string, string] => [name, join(folder, name)]);
  return new Map([...replaced, ...visible]);
}

const MAX_NAME_BYTES = 4096;

/** The path of the checkpoint in `folder` that was written last; undefined for none. */
export function latestCheckpoint(folder: string): string | undefined {
  const path = join(folder, LATEST);
  const named = existsSync(path) ? readText(path, MAX_NAME_BYTES).trim() : "";
  const paths = pathsIn(folder);
  // Where checkpoints were copied or removed by hand, `latest` may be wrong.
  const last = [...paths.keys()].sort((a, b) => stepOf(a) - stepOf(b)).at(-1);
  return paths.get(named) ?? (last === undefined ? undefined : paths.get(last));
}

/** The path of the last checkpoint in `folder` of a step before `step`; undefined for none. */
export function checkpointBefore(folder: string, step: number): string | undefined {
  const name = checkpointsIn(folder).findLast((one) => stepOf(one) < step);
  return name === undefined ? undefined : join(folder, name);
}

/** Where the checkpoint at `path` is now: a job that takes the folder over gives a replaced one its name back. */
export function locate(path: string): string {
  const name = REPLACED.exec(basename(path))?.[1];
  return name === undefined || existsSync(path) ? path : join(dirname(path), name);
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

/** Removes checkpoints older than that at `path`, so that `keep` are left; 0 removes none. */
export async function prune(path: string, keep: number): Promise<void> {
  if (keep === 0) return;
  const folder = dirname(path);
  const step = stepOf(basename(path));
  const older = checkpointsIn(folder).filter((name) => stepOf(name) < step);
  for (const name of older.slice(0, Math.max(0, older.length - keep + 1))) {
    await rm(hide(folder, name), { recursive: true });
  }
}

/** Removes every checkpoint in `folder`, and nothing else. */
export function removeCheckpoints(folder: string): void {
  rmSync(join(folder, LATEST), { force: true });
  for (const name of checkpointsIn(folder)) rmSync(hide(folder, name), { recursive: true });
}

/** Gives the checkpoint a hidden name: one that is partly removed must not be visible. Returns its path. */
function hide(folder: string, name: string): string {
  const hidden = join(folder, `.${name}.removed`);
  rmSync(hidden, { recursive: true, force: true });
  renameSync(join(folder, name), hidden);
  return hidden;
}

/** Removes what a job left that was killed while it saved. The caller must hold the lock of the folder. */
export function recover(folder: string): void {
  removeLeftovers(folder);
  for (const name of readdirSync(folder)) {
    const [, visible, state] = /^\.(checkpoint-\d+)\.(partial|replaced|removed)\b/.exec(name) ?? [];
    if (visible === undefined) continue;
    const isLost = state === "replaced" && !existsSync(join(folder, visible));
    if (isLost) renameSync(join(folder, name), join(folder, visible));
    else rmSync(join(folder, name), { recursive: true, force: true });
  }
}
