// One job saves to a folder: it holds the lock in it.

import { join } from "node:path";
import { UserError } from "@tessera/config";
import {
  hasHeartbeat,
  isRunning,
  readHolder,
  takeLock,
  type FileLock,
  type LockHolder,
} from "@tessera/files";

const LOCK = ".tessera-lock";

/** Time between heartbeats of the holder. */
export const HEARTBEAT_MS = 3_000;
/** Without a heartbeat for so long, a lock from elsewhere was left behind. */
const TIMEOUT_MS = 15_000;

function lockError(path: string): UserError {
  const holder = readHolder(path);
  return new UserError(
    holder === null
      ? `${path}: is gone or damaged, so that another job may save there; start this one again`
      : `${path}: process ${holder.process} on ${holder.host} saves there since ${holder.since}; ` +
          "choose another folder, or remove this file if that job is no more",
  );
}

/**
 * The token of the job that holds `folder`, whose first rank took the lock.
 *
 * @throws UserError where the lock is gone.
 */
export function jobToken(folder: string): string {
  const path = join(folder, LOCK);
  const holder = readHolder(path);
  if (holder === null) throw lockError(path);
  return holder.token;
}

/**
 * Checks that the job of `token` still holds `folder`.
 *
 * @throws UserError where it does not.
 */
export function checkFolderLock(folder: string, token: string): void {
  if (jobToken(folder) !== token) throw lockError(join(folder, LOCK));
}

/**
 * Takes the lock of `folder`. `report` is told when that takes time.
 *
 * @throws UserError where another job has it.
 */
export async function lockFolder(
  folder: string,
  report: (text: string) => void,
): Promise<FileLock> {
  const path = join(folder, LOCK);
  const isAlive = async (holder: LockHolder | null): Promise<boolean> => {
    const here = holder === null ? null : isRunning(holder);
    if (here !== null) return here;
    report(
      `${path}: is of a job in another container or on another host; waiting ${TIMEOUT_MS / 1000} s for its heartbeat`,
    );
    return hasHeartbeat(path, TIMEOUT_MS);
  };
  const lock = await takeLock(path, isAlive);
  if (lock === null) throw lockError(path);
  return lock;
}
