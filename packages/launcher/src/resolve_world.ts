// Which rank of its job a process is. Pure: reads a record, not `process.env`, so that every launcher is a test
// case.

import { UserError } from "@tessera/config";
import { isSet, readCount, type Environment, type Launcher } from "./launchers/launcher.js";
import { openMpi } from "./launchers/open_mpi.js";
import { pmi } from "./launchers/pmi.js";
import { refuseBatchScript, slurm, stepNodes, stepTasksOnNode } from "./launchers/slurm.js";
import { torchrun } from "./launchers/torchrun.js";

/** Those that run inside of others come first: their variables are about this process. */
const LAUNCHERS: readonly Launcher[] = [torchrun, openMpi, pmi, slurm];

/** This process in its job. */
export interface JobRank {
  readonly rank: number;
  readonly size: number;
  /** Among the ranks of this node. */
  readonly localRank: number;
  readonly localSize: number;
  /** The job's nodes; empty where the launcher does not name them. */
  readonly nodes: readonly string[];
  /** The launcher's name; "none" for a process that is a job of its own. */
  readonly launcher: string;
}

/**
 * The rank that `env` tells of.
 * @throws UserError where variables contradict one another, and where a job has several tasks of which this
 * process is none.
 */
export function resolveWorld(env: Environment): JobRank {
  const found = LAUNCHERS.filter(({ size }) => isSet(env, size));
  const [launcher, ...others] = found;
  if (launcher === undefined) {
    refuseBatchScript(env);
    return { rank: 0, size: 1, localRank: 0, localSize: 1, nodes: [], launcher: "none" };
  }
  const jobRank = readRank(launcher, env);
  for (const other of others) {
    if (launcher.startedBy?.includes(other.name) !== true) checkAgreement(launcher, other, env);
  }
  return jobRank;
}

function readRank(launcher: Launcher, env: Environment): JobRank {
  const rank = readCount(env, launcher.rank);
  const size = readCount(env, launcher.size);
  const jobRank = {
    rank,
    size,
    localRank: readLocalRank(launcher, env, size),
    localSize: readLocalSize(launcher, env, size),
    nodes: stepNodes(env),
    launcher: launcher.name,
  };
  checkRank(launcher, jobRank);
  return jobRank;
}

function readLocalRank({ rank, localRank }: Launcher, env: Environment, size: number): number {
  const name = localRank.find((one) => isSet(env, one));
  if (name !== undefined) return readCount(env, name);
  if (size === 1) return 0;
  throw new UserError(
    `${rank} is set, but none of ${localRank.join(", ")}: ` +
      `the launcher must say which of its node's ranks this is`,
  );
}

function readLocalSize({ localSize }: Launcher, env: Environment, size: number): number {
  const name = localSize.find((one) => isSet(env, one));
  return name === undefined ? (stepTasksOnNode(env) ?? size) : readCount(env, name);
}

function checkRank(launcher: Launcher, { rank, size, localRank, localSize }: JobRank): void {
  if (size < 1 || rank >= size) {
    throw new UserError(
      `${launcher.rank} is ${rank}, must be below ${launcher.size}, which is ${size}`,
    );
  }
  if (localRank >= localSize || localSize > size) {
    throw new UserError(
      `${launcher.name} says local rank ${localRank} of ${localSize} on this node, in a job of ${size}: ` +
        `its variables come from two launches`,
    );
  }
}

function checkAgreement(inner: Launcher, outer: Launcher, env: Environment): void {
  for (const key of ["rank", "size"] as const) {
    const [a, b] = [inner[key], outer[key]];
    if (!isSet(env, b) || readCount(env, a) === readCount(env, b)) continue;
    throw new UserError(
      `${a} is ${env[a]!}, but ${b} is ${env[b]!}: two launchers disagree; unset the variables of one`,
    );
  }
}
