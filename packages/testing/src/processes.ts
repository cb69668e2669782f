// Programs that tests start, with a time limit, and by a mark in their environment.

import { spawnSync, type SpawnSyncOptions } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const TESSERA = join(__dirname, "../../../apps/tessera/dist/main.js");

/** Below the limit of a test, so that it can show the output. Ten times what a loaded machine needs. */
const LIMIT_MS = 240_000;

/** The result of a program. `status` is null where a signal ended it, as the limit does. */
export interface ProcessResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, or to the time limit. */
export function runProgram(
  program: string,
  args: readonly string[],
  options: Omit<SpawnSyncOptions, "encoding"> = {},
): ProcessResult {
  const limited = { timeout: LIMIT_MS, killSignal: "SIGKILL", ...options } as const;
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    ...limited,
    encoding: "utf8",
  });
  if (error !== undefined && status === null) {
    return { status, stdout, stderr: `${stderr}${program} ${args.join(" ")}: ${error.message}` };
  }
  return { status, stdout, stderr };
}

/** Runs a Node program. */
export const runNode = (
  args: readonly string[],
  options: Omit<SpawnSyncOptions, "encoding"> = {},
): ProcessResult => runProgram(process.execPath, args, options);

/** Runs a Node program on `ranks` ranks of one thread each, by `tessera launch`. */
export function launchRanks(
  ranks: number,
  args: readonly string[],
  { env = process.env, ...options }: Omit<SpawnSyncOptions, "encoding"> = {},
): ProcessResult {
  const words = [TESSERA, "launch", "--nproc-per-node", String(ranks), "--", process.execPath];
  return runNode([...words, ...args], { env: { ...env, OMP_NUM_THREADS: "1" }, ...options });
}

/** What a program has written that ended well. Throws with what it said where it did not. */
export function outputOf({ status, stdout, stderr }: ProcessResult): string {
  if (status === 0) return stdout;
  throw new Error(`a program ended with ${status}: ${stderr}`);
}

const MARK = "TESSERA_TEST_MARK";

/**
 * Marks processes by an environment variable, which their children inherit. Command lines would match those of another
 * checkout too, or of an editor.
 */
export function markProcesses() {
  const mark = randomUUID();
  const hasMark = (pid: string): boolean => {
    try {
      // A zombie has no environment left.
      return readFileSync(`/proc/${pid}/environ`, "latin1").includes(`${MARK}=${mark}`);
    } catch {
      return false; // it has ended, or is another user's
    }
  };
  const numbers = (): string[] =>
    readdirSync("/proc").filter((name) => /^\d+$/.test(name) && hasMark(name));
  return {
    env: { ...process.env, [MARK]: mark },
    /** Numbers of the processes that still run. */
    numbers,
    /** Their command lines. */
    alive: (): string[] =>
      numbers().map((pid) =>
        readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim(),
      ),
  };
}
