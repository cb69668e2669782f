// How many processors are a rank's own.

import { UserError } from "@tessera/config";
import type { Environment } from "./launchers/launcher.js";
import { resolveWorld } from "./resolve_world.js";

/**
 * `env` with OMP_NUM_THREADS set to this rank's even share of its node's processors, unless the launcher or the
 * user has set a number already, or the process is the only one of its job.
 * @param processors those that this process may run on.
 * @throws UserError where the environment contradicts itself.
 */
export function bind(env: Environment, processors: number): Environment {
  const { size, localSize } = resolveWorld(env);
  const granted = env["OMP_NUM_THREADS"] ?? env["SLURM_CPUS_PER_TASK"] ?? "";
  if (size === 1 || granted !== "") return env;
  return {
    ...env,
    OMP_NUM_THREADS: String(threadsPerRank(localSize, nodeProcessors(env, processors))),
  };
}

/** Processors of all ranks of the node. Slurm says it, also where it pinned each rank to its own. */
function nodeProcessors(env: Environment, processors: number): number {
  const text = env["SLURM_CPUS_ON_NODE"] ?? "";
  if (text === "") return processors;
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new UserError(`SLURM_CPUS_ON_NODE is "${text}", must be a whole number above 0`);
}

/** An even share, at least one. */
export const threadsPerRank = (localSize: number, processors: number): number =>
  Math.max(1, Math.floor(processors / localSize));
