// Which process this is, so that another can tell later whether it still runs. Process numbers repeat: after a restart
// of the machine, and in containers, whose first process is always 1 and whose host names may be the same.

import { createHash } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/** A process among all that ever ran. What the system does not tell is "". */
export interface ProcessIdentity {
  readonly host: string;
  /** Random number of the kernel's start. */
  readonly boot: string;
  /** The namespace that process ids are of. */
  readonly namespace: string;
  readonly process: number;
  /** When it began, in ticks since the kernel's start. */
  readonly started: string;
}

const attempt = (read: () => string): string => {
  try {
    return read();
  } catch {
    return ""; // not Linux, or /proc is not mounted
  }
};

/** Fields of /proc/ID/stat behind the name, which may have spaces and parentheses: state is the first. */
function statOf(id: number | "self"): readonly string[] {
  const text = attempt(() => readFileSync(`/proc/${id}/stat`, "utf8"));
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}

const STATE = 0;
const STARTED = 19;

/** This process. */
export const thisProcess = (): ProcessIdentity => ({
  host: hostname(),
  boot: attempt(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8")).trim(),
  namespace: attempt(() => readlinkSync("/proc/self/ns/pid")),
  process: process.pid,
  started: statOf("self")[STARTED] ?? "",
});

/** Short name of all processes whose ids this one can look up. */
export function machineOf({ host, boot, namespace }: ProcessIdentity): string {
  const text = boot === "" ? host : `${boot} ${namespace}`;
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}

/** Whether the process runs; null where it is elsewhere and this one cannot know. */
export function isRunning(other: ProcessIdentity): boolean | null {
  const here = thisProcess();
  if (machineOf(other) !== machineOf(here)) return null;
  // A /proc of another namespace says nothing about ours.
  const isOurs =
    here.boot === "" || attempt(() => readlinkSync("/proc/self")) === String(process.pid);
  if (!isOurs) return null;
  try {
    process.kill(other.process, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  const stat = statOf(other.process);
  // A process that has ended answers to its id until its parent asks, which in a container may be never.
  if (/^[ZX]$/.test(stat[STATE] ?? "")) return false;
  return (stat[STARTED] ?? "") === other.started;
}
