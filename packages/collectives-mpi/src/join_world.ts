// One call that makes a process a rank of the job that it was started in.

import { hostname } from "node:os";
import { UserError } from "@tessera/config";
import { singleGroup, singleWorld, tensorGroup, type World } from "@tessera/collectives";
import { resolveWorld, type Environment, type JobRank } from "@tessera/launcher";
import { findAddon, loadAddon, type Addon } from "./addon.js";
import { mpiEngine } from "./engine.js";

/** How `joinWorld` watches over the calls of ranks. */
export interface WorldOptions {
  /** What any call may take before it is an error. */
  readonly timeoutMinutes?: number;
  /** Whether ranks compare their calls before each collective. */
  readonly compareCalls?: boolean;
}

/** Whether `joinWorld` can join a job of several ranks on this machine. */
export const isAvailable = (): boolean => findAddon() !== null;

/**
 * The world that `env` (`process.env`) says this process is part of: of one process where no
 * launcher started it, else on MPI. Throws a UserError where the launcher starts no MPI programs, where MPI is not
 * built, does not start, or does not find the ranks that the launcher tells of: a job never turns into worlds of one.
 */
export function joinWorld(env: Environment, options: WorldOptions = {}): World {
  const jobRank = resolveWorld(env);
  if (jobRank.size === 1) return singleWorld(hostname());
  if (!jobRank.startsMpi) {
    throw new UserError(
      `${jobRank.launcher} started ${jobRank.size} ranks, but ranks find each other by MPI here, which it does ` +
        "not start: use tessera launch on one host, else mpirun (in Kubeflow an MPIJob) or srun --mpi=pmix",
    );
  }
  const file = findAddon();
  if (file === null) {
    throw new UserError(
      `${jobRank.launcher} started ${jobRank.size} ranks, but the MPI engine is not built here: ` +
        "with @tessera/cli installed, npx tessera build-engines builds it",
    );
  }
  return connect(loadAddon(file), jobRank, options);
}

function connect(addon: Addon, jobRank: JobRank, options: WorldOptions): World {
  const { timeoutMinutes = 10, compareCalls = true } = options;
  const who = `rank ${jobRank.rank} (host ${hostname()})`;
  const { rank, size, hosts, library } = addon.connect(who, 60 * timeoutMinutes, compareCalls);
  if (size !== jobRank.size || rank !== jobRank.rank) {
    if (size === 1) addon.close(); // alone, it waits for nobody
    throw new UserError(
      `${jobRank.launcher} says rank ${jobRank.rank} of ${jobRank.size}, but ${library}, which the MPI engine is ` +
        `built on, says rank ${rank} of ${size}: start the ranks by its own mpirun or by srun --mpi=pmix, or build ` +
        "the engine on the launcher's MPI (npx tessera build-engines)",
    );
  }
  const group: World["group"] = (name, ranks) => {
    if (ranks.length === 1 && ranks[0] === rank) return singleGroup(rank, name);
    const id = addon.group(name, ranks);
    return tensorGroup({ name, rank: ranks.indexOf(rank), ranks }, mpiEngine(addon, id));
  };
  const all = group(
    "the world",
    Array.from({ length: size }, (_, each) => each),
  );
  return {
    rank,
    size,
    hosts,
    engine: library,
    all,
    group,
    abort: (code) => addon.abort(code),
    close() {
      all.barrier();
      addon.close();
    },
  };
}
