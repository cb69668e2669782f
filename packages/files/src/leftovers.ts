// What is being written has a hidden name, which says who writes it, so that others can tell what was left behind by a
// process that was killed.

import { randomBytes } from "node:crypto";
import { readdirSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { isRunning, machineOf, thisProcess } from "./process_identity.js";

/** The hidden name under which this process writes `path`: .NAME.MACHINE-PROCESS-STARTED-RANDOM.partial */
export function partialPath(path: string): string {
  const here = thisProcess();
  const owner = [
    machineOf(here),
    here.process,
    here.started,
    randomBytes(4).toString("hex"), // threads may write the same file
  ].join("-");
  return join(dirname(path), `.${basename(path)}.${owner}.partial`);
}

const OWNER = /\.([0-9a-f]{12})-(\d+)-(\d*)-[0-9a-f]+\.partial$/;

/** What processes on other machines write is left behind if nothing of it changed for so long. */
const ABANDONED_MS = 3_600_000;

/** Removes what processes that are no more left of the file or folder at `path`. */
export function removePartials(path: string): void {
  const folder = dirname(path);
  for (const name of namesIn(folder)) {
    if (!name.startsWith(`.${basename(path)}.`) || !name.endsWith(".partial")) continue;
    const left = join(folder, name);
    if (isAbandoned(left, name)) rmSync(left, { recursive: true, force: true });
  }
}

/** Removes all that is partly written in `folder`, of which the caller holds the lock: whoever wrote it is no more. */
export function removeLeftovers(folder: string): void {
  for (const name of namesIn(folder)) {
    if (!/^\..*\.partial$/.test(name)) continue;
    rmSync(join(folder, name), { recursive: true, force: true });
  }
}

function isAbandoned(path: string, name: string): boolean {
  const here = thisProcess();
  const [, machine, process, started = ""] = OWNER.exec(name) ?? [];
  if (machine === machineOf(here)) {
    const runs = isRunning({ ...here, process: Number(process), started });
    if (runs !== null) return !runs;
  }
  return Date.now() - lastChange(path) > ABANDONED_MS;
}

/** Of a file, or of a folder and all in it. */
function lastChange(path: string): number {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return Date.now();
  const within = stats.isDirectory()
    ? namesIn(path).map((name) => lastChange(join(path, name)))
    : [];
  return Math.max(stats.mtimeMs, ...within);
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // it is not there, or may not be looked at: writing says so
  }
}
