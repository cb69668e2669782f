// Who holds a lock file, and whether that process still runs.

import { readFileSync } from "node:fs";
import { hostname } from "node:os";

/** What a lock file says. */
export interface LockHolder {
  readonly host: string;
  /** Process id on `host`. */
  readonly process: number;
  /** When the lock was taken: ISO 8601, UTC. */
  readonly since: string;
  readonly token: string;
}

const TYPES = { host: "string", process: "number", since: "string", token: "string" } as const;

/** Who holds the lock at `path`; null where there is none, or its file is not whole. */
export function readHolder(path: string): LockHolder | null {
  try {
    const value = JSON.parse(readFileSync(path, "utf8")) as Readonly<
      Record<string, unknown>
    > | null;
    return isHolder(value) ? value : null;
  } catch {
    return null;
  }
}

const isHolder = (value: object | null): value is LockHolder =>
  value !== null &&
  Object.entries(TYPES).every(
    ([key, type]) => typeof (value as Record<string, unknown>)[key] === type,
  );

/** Whether the holder's process runs; null where it is on another host and this one cannot know. */
export function isRunning(holder: LockHolder): boolean | null {
  if (holder.host !== hostname()) return null;
  try {
    process.kill(holder.process, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  return !isZombie(holder.process);
}

/** A process that has ended answers to its id until its parent asks, which in a container may be never. */
function isZombie(id: number): boolean {
  try {
    return /\) [ZX] /.test(readFileSync(`/proc/${id}/stat`, "utf8"));
  } catch {
    return false;
  }
}
