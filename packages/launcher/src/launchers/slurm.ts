// Slurm's srun. Its variables of the step say which task this is; a batch script has the job's, but is no task.

import { UserError } from "@tessera/config";
import { expandCounts, expandHosts } from "../host_list.js";
import { isSet, readCount, type Environment, type Launcher } from "./launcher.js";

export const slurm: Launcher = {
  name: "Slurm",
  rank: "SLURM_PROCID",
  size: "SLURM_STEP_NUM_TASKS",
  localRank: ["SLURM_LOCALID"],
  localSize: [],
};

/** The nodes of the step, also where another launcher runs in it; none outside of a step. */
export function stepNodes(env: Environment): readonly string[] {
  if (!isSet(env, slurm.size) || !isSet(env, "SLURM_STEP_NODELIST")) return [];
  try {
    return expandHosts(env["SLURM_STEP_NODELIST"]!);
  } catch (error) {
    if (error instanceof UserError) throw new UserError(`SLURM_STEP_NODELIST: ${error.message}`);
    throw error;
  }
}

/** Tasks of the step on this node; null where Slurm does not say. */
export function stepTasksOnNode(env: Environment): number | null {
  if (!isSet(env, "SLURM_STEP_TASKS_PER_NODE") || !isSet(env, "SLURM_NODEID")) return null;
  const node = readCount(env, "SLURM_NODEID");
  const counts = env["SLURM_STEP_TASKS_PER_NODE"]!;
  const tasks = expandCounts(counts)[node];
  if (tasks !== undefined) return tasks;
  throw new UserError(
    `SLURM_NODEID is ${node}, but SLURM_STEP_TASKS_PER_NODE is "${counts}", which has no such node`,
  );
}

/** @throws UserError in a batch script of several tasks, which would be a job of one if it went on. */
export function refuseBatchScript(env: Environment): void {
  const tasks = isSet(env, "SLURM_NTASKS") ? readCount(env, "SLURM_NTASKS") : 1;
  if (tasks <= 1) return;
  throw new UserError(
    `SLURM_NTASKS is ${tasks}, but this process is no task of a step: start it by srun, ` +
      `or unset SLURM_NTASKS to run one process`,
  );
}
