// What of its node is a rank's own: processors, and a GPU.

import { UserError } from "@tessera/config";
import { thisNode, type Gpus, type NodeHardware } from "./hardware.js";
import type { Environment } from "./launchers/launcher.js";
import { resolveWorld, type JobRank } from "./resolve_world.js";

/** What names the GPUs that a process may see; the first that is set counts, else the first is set. */
const VISIBLE: Readonly<Record<Gpus["maker"], readonly [string, ...string[]]>> = {
  NVIDIA: ["CUDA_VISIBLE_DEVICES"],
  AMD: ["ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"],
};

/**
 * `env` with what is this rank's own of `node` (default: this machine): OMP_NUM_THREADS is its even share of the
 * processors, and CUDA_VISIBLE_DEVICES or ROCR_VISIBLE_DEVICES one GPU of those that it may see. What the launcher or
 * the user has granted stays so.
 * @throws UserError where the environment contradicts itself.
 */
export function bind(env: Environment, node: NodeHardware = thisNode()): Environment {
  const rank = resolveWorld(env);
  const threads = threadsOf(env, rank, node.processors);
  return { ...env, ...threads, ...(node.gpus && gpuOf(env, rank, node.gpus)) };
}

function threadsOf(
  env: Environment,
  { size, localSize }: JobRank,
  processors: number,
): Environment {
  const granted = env["OMP_NUM_THREADS"] ?? env["SLURM_CPUS_PER_TASK"] ?? "";
  if (size === 1 || granted !== "") return {};
  return { OMP_NUM_THREADS: String(threadsPerRank(localSize, nodeProcessors(env, processors))) };
}

/** Where a node has more ranks than GPUs, ranks take turns. */
function gpuOf(env: Environment, { localRank }: JobRank, { maker, count }: Gpus): Environment {
  const [first, ...others] = VISIBLE[maker];
  const name = [first, ...others].find((one) => env[one] !== undefined) ?? first;
  const visible = env[name]?.split(",") ?? Array.from({ length: count }, (_, i) => String(i));
  return { [name]: visible[localRank % visible.length] };
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
