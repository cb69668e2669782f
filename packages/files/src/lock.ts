// Lock files, on file systems that hosts share. The file says which process holds the lock, and its modification
// time is a heartbeat: the holder touches it every few seconds, so others can tell a lock that was left behind.

import { randomBytes } from "node:crypto";
import {
  closeSync,
  futimesSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readHolder, type LockHolder } from "./lock_holder.js";
import { thisProcess } from "./process_identity.js";

/** A lock that this process holds. It is also released when the process exits. */
export interface FileLock {
  /** Random, in the lock file: tells this holder from all others. */
  readonly token: string;
  /** Of the lock file, for `touchLock`, which a thread of its own may call. */
  readonly descriptor: number;
  release(): void;
}

/** The heartbeat: sets the modification time of the lock to now. */
export function touchLock(descriptor: number): void {
  const now = new Date();
  futimesSync(descriptor, now, now);
}

/**
 * Takes the lock at `path`, also from a holder of which `isAlive` says that it is gone. `holder` is null where the
 * lock file does not say who made it. Returns null where another holds the lock. Rejects with the system's error
 * where the file cannot be made.
 */
export async function takeLock(
  path: string,
  isAlive: (holder: LockHolder | null) => Promise<boolean>,
): Promise<FileLock | null> {
  const token = randomBytes(6).toString("hex");
  const since = new Date().toISOString();
  const text = JSON.stringify({ ...thisProcess(), since, token } satisfies LockHolder);
  while (!createFile(path, text)) {
    const found = textIn(path);
    const isHeld = await isAlive(readHolder(path));
    if (touchedAt(path) === undefined) continue; // released meanwhile
    if (isHeld) return null;
    removeAbandoned(path, found, token);
  }
  removeAsides(path, text);
  const descriptor = openSync(path, "r+");
  const release = (): void => {
    process.off("exit", release);
    closeSync(descriptor);
    if (textIn(path) === text) rmSync(path);
  };
  process.once("exit", release);
  return { token, descriptor, release };
}

/** Milliseconds between two looks at a lock: more each time, as thousands of ranks may look. */
const POLL_MS = { first: 20, last: 1000 } as const;

/** Resolves to whether the lock at `path` is touched or released within `timeoutMs`. */
export async function hasHeartbeat(path: string, timeoutMs: number): Promise<boolean> {
  // By this machine's clock alone: those of two hosts may differ.
  const end = performance.now() + timeoutMs;
  const seen = touchedAt(path);
  if (seen === undefined) return true;
  let poll: number = POLL_MS.first;
  for (let left = timeoutMs; left > 0; left = end - performance.now()) {
    await sleep(Math.min(poll, left));
    if (touchedAt(path) !== seen) return true;
    poll = Math.min(1.5 * poll, POLL_MS.last);
  }
  return false;
}

const touchedAt = (path: string): number | undefined =>
  statSync(path, { throwIfNoEntry: false })?.mtimeMs;

function createFile(path: string, text: string): boolean {
  try {
    writeFileSync(path, text, { flag: "wx", flush: true });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function textIn(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** Removes the lock that says `text`, unless another process was faster and has made its own. */
function removeAbandoned(path: string, text: string, token: string): void {
  const aside = `${path}-${token}`;
  try {
    renameSync(path, aside);
  } catch {
    return;
  }
  if (textIn(aside) === text) rmSync(aside);
  else renameSync(aside, path);
}

/** Removes what processes left that were killed while they removed a lock; not this lock, which one may hold aside. */
function removeAsides(path: string, text: string): void {
  const folder = dirname(path);
  for (const name of readdirSync(folder)) {
    if (!name.startsWith(`${basename(path)}-`)) continue;
    const aside = join(folder, name);
    if (textIn(aside) !== text) rmSync(aside, { force: true });
  }
}
