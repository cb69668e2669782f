// Which processors and which GPU are a rank's own.

import type { Environment, Place } from "./resolve_world.js";

/** The environment that keeps a rank to its share of a node with `processors` processors. */
export function bindingFor(
  place: Pick<Place, "localRank" | "localSize">,
  processors: number,
  env: Environment,
): Readonly<Record<string, string>> {
  const granted = env["OMP_NUM_THREADS"] ?? env["SLURM_CPUS_PER_TASK"];
  if (granted !== undefined && granted !== "") return {};
  return { OMP_NUM_THREADS: String(threadsFor(place.localSize, processors)) };
}

/** An even share, at least one. */
export const threadsFor = (localSize: number, processors: number): number =>
  Math.max(1, Math.floor(processors / localSize));

/** The GPU of a rank on a node with `gpus`; null without any. Ranks share them in turn. */
export const gpuFor = (localRank: number, gpus: number): number | null =>
  gpus === 0 ? null : localRank % gpus;
