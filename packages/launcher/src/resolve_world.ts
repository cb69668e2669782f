// Who am I in the job? Every launcher says so in its own words; this file is the dictionary. Pure: it
// reads a record, not `process.env`, so that every cluster is a test case.

import { UserError } from "@tessera/config";
import { expandCounts, expandHosts } from "./host_list.js";

export type Environment = Readonly<Record<string, string | undefined>>;

/** This process's place in its job. */
export interface Place {
  readonly rank: number;
  readonly size: number;
  /** Among the ranks of this node: which device is this rank's. */
  readonly localRank: number;
  readonly localSize: number;
  /** The job's nodes, where the launcher names them. */
  readonly nodes: readonly string[];
  readonly launcher: Launcher | "none";
}

type Launcher = "torchrun" | "Open MPI" | "PMI" | "Slurm";

/** The variables in which a launcher says rank, size, local rank and local size. */
interface Dialect {
  readonly launcher: Launcher;
  readonly rank: string;
  readonly size: string;
  readonly localRank: readonly string[];
  readonly localSize: readonly string[];
}

/**
 * Innermost first: mpirun in a Slurm job starts its daemons by srun, so that Slurm's variables then
 * speak of the daemons. Slurm's are those of the step: a batch script has the job's, but is no task.
 */
const DIALECTS: readonly Dialect[] = [
  {
    launcher: "torchrun",
    rank: "RANK",
    size: "WORLD_SIZE",
    localRank: ["LOCAL_RANK"],
    localSize: ["LOCAL_WORLD_SIZE"],
  },
  {
    launcher: "Open MPI",
    rank: "OMPI_COMM_WORLD_RANK",
    size: "OMPI_COMM_WORLD_SIZE",
    localRank: ["OMPI_COMM_WORLD_LOCAL_RANK"],
    localSize: ["OMPI_COMM_WORLD_LOCAL_SIZE"],
  },
  {
    launcher: "PMI",
    rank: "PMI_RANK",
    size: "PMI_SIZE",
    localRank: ["PMI_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID"],
    localSize: ["PMI_LOCAL_SIZE", "MPI_LOCALNRANKS"],
  },
  {
    launcher: "Slurm",
    rank: "SLURM_PROCID",
    size: "SLURM_STEP_NUM_TASKS",
    localRank: ["SLURM_LOCALID"],
    localSize: [],
  },
];

/**
 * The place that `env` tells of. Throws a UserError where the variables contradict one another, and
 * where a job has several tasks of which this process is none.
 */
export function resolveWorld(env: Environment): Place {
  const spoken = DIALECTS.filter(({ size }) => isSet(env, size));
  const [dialect] = spoken;
  if (dialect === undefined) return alone(env);
  const place = placeIn(dialect, env);
  for (const other of spoken.slice(1)) {
    // mpirun's daemons are Slurm's tasks; every other pair speaks of the same processes.
    if (place.launcher === "Open MPI" && other.launcher === "Slurm") continue;
    agree(dialect, other, env);
  }
  return place;
}

const isSet = (env: Environment, name: string): boolean => (env[name] ?? "") !== "";

function alone(env: Environment): Place {
  const tasks = isSet(env, "SLURM_NTASKS") ? count(env, "SLURM_NTASKS") : 1;
  if (tasks > 1) {
    throw new UserError(
      `SLURM_NTASKS is ${tasks}, but this process is no task of a step: start it by srun, ` +
        `or unset SLURM_NTASKS to run one process`,
    );
  }
  return { rank: 0, size: 1, localRank: 0, localSize: 1, nodes: [], launcher: "none" };
}

function placeIn(dialect: Dialect, env: Environment): Place {
  const rank = count(env, dialect.rank);
  const size = count(env, dialect.size);
  const nodes = isSlurmStep(env) && isSet(env, "SLURM_STEP_NODELIST") ? nodesOf(env) : [];
  const localRankName = dialect.localRank.find((name) => isSet(env, name));
  const localRank =
    localRankName === undefined ? (size === 1 ? 0 : null) : count(env, localRankName);
  if (localRank === null) {
    throw new UserError(
      `${dialect.rank} is set, but none of ${dialect.localRank.join(", ")}: ` +
        `the launcher must say which of its node's ranks this is`,
    );
  }
  const localSize = localSizeOf(dialect, env, size);
  const place = { rank, size, localRank, localSize, nodes, launcher: dialect.launcher };
  refuseImpossible(dialect, place);
  return place;
}

const isSlurmStep = (env: Environment): boolean => isSet(env, "SLURM_STEP_NUM_TASKS");

function nodesOf(env: Environment): readonly string[] {
  try {
    return expandHosts(env["SLURM_STEP_NODELIST"] ?? "");
  } catch (error) {
    if (error instanceof UserError) throw new UserError(`SLURM_STEP_NODELIST: ${error.message}`);
    throw error;
  }
}

function localSizeOf({ localSize }: Dialect, env: Environment, size: number): number {
  const name = localSize.find((one) => isSet(env, one));
  if (name !== undefined) return count(env, name);
  if (!isSet(env, "SLURM_STEP_TASKS_PER_NODE") || !isSet(env, "SLURM_NODEID")) return size;
  const node = count(env, "SLURM_NODEID");
  const perNode = expandCounts(env["SLURM_STEP_TASKS_PER_NODE"]!)[node];
  if (perNode !== undefined) return perNode;
  throw new UserError(
    `SLURM_NODEID is ${node}, but SLURM_STEP_TASKS_PER_NODE is "${env["SLURM_STEP_TASKS_PER_NODE"]!}", ` +
      `which has no such node`,
  );
}

function refuseImpossible(
  { launcher, rank: rankName, size: sizeName }: Dialect,
  { rank, size, localRank, localSize }: Place,
): void {
  if (size < 1 || rank >= size) {
    throw new UserError(`${rankName} is ${rank}, must be below ${sizeName}, which is ${size}`);
  }
  if (localRank >= localSize || localSize > size) {
    throw new UserError(
      `${launcher} says local rank ${localRank} of ${localSize} on this node, in a job of ${size}: ` +
        `its variables come from two launches`,
    );
  }
}

function agree(inner: Dialect, outer: Dialect, env: Environment): void {
  for (const key of ["rank", "size"] as const) {
    const [a, b] = [inner[key], outer[key]];
    if (!isSet(env, b) || count(env, a) === count(env, b)) continue;
    throw new UserError(
      `${a} is ${env[a]!}, but ${b} is ${env[b]!}: two launchers disagree; unset the variables of one`,
    );
  }
}

function count(env: Environment, name: string): number {
  const text = env[name] ?? "";
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new UserError(`${name} is "${text}", must be a whole number`);
}
