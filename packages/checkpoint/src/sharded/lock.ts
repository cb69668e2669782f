// One job saves to a folder. The lock is a file that its job touches every few seconds: one that is not
// touched for a while, or whose process is gone, was left by a job that was killed.

import {
  closeSync,
  futimesSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "@tessera/config";
import * as v from "valibot";

const LOCK = ".tessera-lock";

/** Between touches, and without one before a lock counts as left behind. */
export const BEAT_MS = 3_000;
const PATIENCE_MS = 15_000;

const Holder = v.object({
  host: v.string(),
  process: v.number(),
  since: v.string(),
  token: v.string(),
});

type Holder = v.InferOutput<typeof Holder>;

export interface Lock {
  /** The job's own. */
  readonly token: string;
  /** To be touched, by a thread that nothing else holds up. */
  readonly descriptor: number;
  release(): void;
}

export function touch(descriptor: number): void {
  const now = new Date();
  futimesSync(descriptor, now, now);
}

const textOf = (path: string): string => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
};

/** The job that made a lock; null where it is not whole, or not ours. */
function holderIn(text: string): Holder | null {
  try {
    const parsed = v.safeParse(Holder, JSON.parse(text));
    return parsed.success ? parsed.output : null;
  } catch {
    return null;
  }
}

function held(path: string): UserError {
  const holder = holderIn(textOf(path));
  return new UserError(
    holder === null
      ? `${path}: is gone or damaged, so that another job may save there; start this one again`
      : `${path}: process ${holder.process} on ${holder.host} saves there since ${holder.since}; ` +
          "choose another folder, or remove this file if that job is no more",
  );
}

/** The token of the job that holds `folder`, whose first rank took the lock. */
export function tokenOf(folder: string): string {
  const path = join(folder, LOCK);
  const holder = holderIn(textOf(path));
  if (holder === null) throw held(path);
  return holder.token;
}

/** Throws a UserError unless the job of `token` holds `folder`. */
export function checkLock(folder: string, token: string): void {
  if (tokenOf(folder) !== token) throw held(join(folder, LOCK));
}

/** Takes the lock of `folder`. Throws a UserError where another job has it. */
export async function takeLock(folder: string, say: (text: string) => void): Promise<Lock> {
  const path = join(folder, LOCK);
  const token = randomBytes(6).toString("hex");
  const since = new Date().toISOString();
  const text = JSON.stringify({ host: hostname(), process: process.pid, since, token });
  while (!isMade(path, text)) {
    const found = textOf(path);
    if (await isAlive(path, holderIn(found), say)) throw held(path);
    setAside(path, found, token);
  }
  const descriptor = openSync(path, "r+");
  const release = (): void => {
    process.off("exit", release);
    closeSync(descriptor);
    if (textOf(path) === text) rmSync(path);
  };
  process.once("exit", release);
  return { token, descriptor, release };
}

function isMade(path: string, text: string): boolean {
  try {
    writeFileSync(path, text, { flag: "wx", flush: true });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

async function isAlive(
  path: string,
  holder: Holder | null,
  say: (text: string) => void,
): Promise<boolean> {
  if (holder?.host === hostname()) return isRunning(holder.process);
  const touched = touchedAt(path);
  say(`${path}: was left by a job elsewhere; looking for ${PATIENCE_MS / 1000} s whether it lives`);
  for (let waited = 0; waited < PATIENCE_MS; waited += 1000) {
    await sleep(1000);
    if (touchedAt(path) !== touched) return true;
  }
  return false;
}

const touchedAt = (path: string): number | undefined =>
  statSync(path, { throwIfNoEntry: false })?.mtimeMs;

function isRunning(id: number): boolean {
  try {
    process.kill(id, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  return !isZombie(id);
}

/** A process that has ended answers to its number until its parent asks, which in a container may be never. */
const isZombie = (id: number): boolean => /\) [ZX] /.test(textOf(`/proc/${id}/stat`));

/** Takes away the lock that says `text`, unless another job was faster and has made its own. */
function setAside(path: string, text: string, token: string): void {
  const aside = `${path}-${token}`;
  try {
    renameSync(path, aside);
  } catch {
    return;
  }
  if (textOf(aside) === text) rmSync(aside);
  else renameSync(aside, path);
}
