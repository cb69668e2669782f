// Which processors and which GPU are a rank's own.

import { UserError } from "@tessera/config";

import { resolveWorld, type Environment } from "./resolve_world.js";

/**
 * `env`, in which OMP_NUM_THREADS is this rank's even share of its node, unless the launcher or the user has
 * granted it threads already. `processors`: those that this process may run on. A process that is alone
 * in its job keeps `env` as it is.
 */
export function bind(env: Environment, processors: number): Environment {
  const { size, localSize } = resolveWorld(env);
  const granted = env["OMP_NUM_THREADS"] ?? env["SLURM_CPUS_PER_TASK"] ?? "";
  if (size === 1 || granted !== "") return env;
  return {
    ...env,
    OMP_NUM_THREADS: String(threadsFor(localSize, nodeProcessors(env, processors))),
  };
}

/** What all ranks of the node have together. Slurm says it, also where it pinned each to its own. */
function nodeProcessors(env: Environment, processors: number): number {
  const text = env["SLURM_CPUS_ON_NODE"] ?? "";
  if (text === "") return processors;
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new UserError(`SLURM_CPUS_ON_NODE is "${text}", must be a whole number above 0`);
}

/** An even share, at least one. */
export const threadsFor = (localSize: number, processors: number): number =>
  Math.max(1, Math.floor(processors / localSize));

/** The GPU of a rank on a node with `gpus`; null without any. Ranks share them in turn. */
export const gpuFor = (localRank: number, gpus: number): number | null =>
  gpus === 0 ? null : localRank % gpus;
