// Slurm's srun. Its variables of the step say which task this is; a batch script has the job's, but is no task.

import { UserError } from "@tessera/config";
import { expandCounts, expandHosts } from "../host_list.js";
import { isSet, readCount, type Environment, type Launcher } from "./launcher.js";

export const slurm: Launcher = {
  name: "Slurm",
  rank: "SLURM_PROCID",
  size: ["SLURM_STEP_NUM_TASKS"],
  localRank: ["SLURM_LOCALID"],
  localSize: [],
};

/** The nodes of the step, also where another launcher runs in it; none outside of a step. */
export function stepNodes(env: Environment): readonly string[] {
  if (!isStep(env) || !isSet(env, "SLURM_STEP_NODELIST")) return [];
  try {
    return expandHosts(env["SLURM_STEP_NODELIST"]!);
  } catch (error) {
    if (error instanceof UserError) throw new UserError(`SLURM_STEP_NODELIST: ${error.message}`);
    throw error;
  }
}

/** Whether this process is a task of a step, or was started by one. */
export const isStep = (env: Environment): boolean => isSet(env, "SLURM_STEP_NUM_TASKS");

/**
 * Tasks of the step on this node; null where Slurm does not say. In a heterogeneous step it counts nodes over all
 * components, so the list of this node's tasks is surer than its place in the counts.
 */
export function stepTasksOnNode(env: Environment): number | null {
  if (isSet(env, "SLURM_GTIDS")) return env["SLURM_GTIDS"]!.split(",").length;
  if (!isSet(env, "SLURM_STEP_TASKS_PER_NODE") || !isSet(env, "SLURM_NODEID")) return null;
  const node = readCount(env, "SLURM_NODEID");
  const counts = env["SLURM_STEP_TASKS_PER_NODE"]!;
  const tasks = expandCounts(counts)[node];
  if (tasks !== undefined) return tasks;
  throw new UserError(
    `SLURM_NODEID is ${node}, but SLURM_STEP_TASKS_PER_NODE is "${counts}", which has no such node`,
  );
}

/**
 * Tasks of a step, where its variables are of one component: a heterogeneous step counts ranks over all of them.
 * Null where that is not so.
 */
export function tasksOfComponents(env: Environment): number | null {
  const components = componentTasks(env);
  const rank = isSet(env, slurm.rank) ? readCount(env, slurm.rank) : 0;
  if (components === null || rank < readCount(env, slurm.size[0]!)) return null;
  return components.reduce((sum, tasks) => sum + tasks);
}

/** Tasks of each component of a heterogeneous job; null where it is none, or does not say. */
function componentTasks(env: Environment): number[] | null {
  if (!isSet(env, "SLURM_HET_SIZE")) return null;
  const names = Array.from(
    { length: readCount(env, "SLURM_HET_SIZE") },
    (_, i) => `SLURM_NTASKS_HET_GROUP_${i}`,
  );
  if (names.length === 0 || !names.every((name) => isSet(env, name))) return null;
  return names.map((name) => readCount(env, name));
}

/** Tasks that a step of the whole allocation would have; 1 where this process is in none. */
export function allocatedTasks(env: Environment): number {
  const components = componentTasks(env);
  if (components !== null) return components.reduce((sum, tasks) => sum + tasks);
  return isSet(env, "SLURM_NTASKS") ? readCount(env, "SLURM_NTASKS") : 1;
}

/** @throws UserError in a batch script of several tasks, which would be a job of one if it went on. */
export function refuseBatchScript(env: Environment): void {
  const tasks = allocatedTasks(env);
  if (tasks <= 1) return;
  throw new UserError(
    `SLURM_NTASKS is ${tasks}, but this process is no task of a step: start it by srun, ` +
      `or unset SLURM_NTASKS to run one process`,
  );
}
