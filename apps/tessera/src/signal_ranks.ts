// Signals for the ranks of a job on this machine. Not through mpirun, which gives ranks a second or two before it kills
// them: a step may take longer, and the state is saved after it.

import { readdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";

interface Process {
  readonly id: number;
  readonly parent: number;
  /** Whether an MPI launcher made it a rank, or a child of one. */
  readonly isRank: boolean;
  readonly catches: boolean;
}

/**
 * Sends `signal` to the ranks that run under process `launcher`. Of a rank behind wrappers, such as npx or a shell, that
 * process gets it which handles it; where none does, all get it. Returns how many did.
 */
export function signalRanks(launcher: number, signal: NodeJS.Signals): number {
  const all = listProcesses(constants.signals[signal]);
  const ranks = descendants(all, launcher).filter(({ isRank }) => isRank);
  const handling = ranks.filter(({ catches }) => catches);
  const targets = handling.filter(
    ({ id }) => !descendants(handling, id).some(({ catches }) => catches),
  );
  const told = targets.length > 0 ? targets : ranks;
  return told.filter(({ id }) => kill(id, signal)).length;
}

/** Ends the launcher and all under it, without asking. */
export function killTree(launcher: number): void {
  const all = descendants(listProcesses(constants.signals.SIGKILL), launcher);
  for (const id of [launcher, ...all.map((one) => one.id)]) kill(id, "SIGKILL");
}

function kill(id: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(id, signal);
  } catch {
    return false; // it has ended
  }
}

/** Those of `all` that are under `id`. */
function descendants(all: readonly Process[], id: number): readonly Process[] {
  const children = all.filter(({ parent }) => parent === id);
  return children.flatMap((child) => [child, ...descendants(all, child.id)]);
}

/** All processes of this machine; none where there is no /proc. */
function listProcesses(signal: number): readonly Process[] {
  let names: readonly string[];
  try {
    names = readdirSync("/proc");
  } catch {
    return [];
  }
  return names
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name): readonly Process[] => {
      try {
        const status = readFileSync(`/proc/${name}/status`, "utf8");
        const environment = readFileSync(`/proc/${name}/environ`, "latin1");
        const [, parent] = /^PPid:\t(\d+)$/m.exec(status)!;
        const [, caught] = /^SigCgt:\t([0-9a-f]+)$/m.exec(status)!;
        return [
          {
            id: Number(name),
            parent: Number(parent),
            isRank: /(^|\0)(OMPI_COMM_WORLD_RANK|PMI_RANK)=/.test(environment),
            catches: ((BigInt(`0x${caught!}`) >> BigInt(signal - 1)) & 1n) === 1n,
          },
        ];
      } catch {
        return []; // it has ended, or is another user's
      }
    });
}
