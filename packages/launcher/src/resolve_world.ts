// Which rank of its job a process is. Pure: reads a record, not `process.env`, so that every launcher is a test
// case.

import { UserError } from "@tessera/config";
import {
  findSet,
  isSet,
  readCount,
  type Environment,
  type Launcher,
} from "./launchers/launcher.js";
import { LAUNCHERS, WORLD_SIZE } from "./launchers/launchers.js";
import {
  allocatedTasks,
  isStep,
  refuseBatchScript,
  slurm,
  stepNodes,
  stepTasksOnNode,
  tasksOfComponents,
} from "./launchers/slurm.js";

/** This process in its job. */
export interface JobRank {
  /** This process's number in the job, from 0. */
  readonly rank: number;
  /** Processes of the job. */
  readonly size: number;
  /** Among the ranks of this node. */
  readonly localRank: number;
  /** Processes of the job on this node. */
  readonly localSize: number;
  /** The job's nodes; empty where the launcher does not name them. */
  readonly nodes: readonly string[];
  /** The launcher's name; "none" for a process that is a job of its own. */
  readonly launcher: string;
  /** Whether MPI finds the other ranks: a launcher of MPI programs has started this one. */
  readonly startsMpi: boolean;
}

const ALONE: JobRank = {
  rank: 0,
  size: 1,
  localRank: 0,
  localSize: 1,
  nodes: [],
  launcher: "none",
  startsMpi: false,
};

/**
 * The rank that `env` tells of.
 * @throws UserError where variables contradict one another, where a rank is told without a number of ranks, and
 * where a job has several tasks of which this process is none.
 */
export function resolveWorld(env: Environment): JobRank {
  const told = findLaunchers(env);
  const [launcher, ...others] = completeLaunchers(env, told);
  if (launcher === undefined) {
    for (const one of told) refuseWithoutSize(one, env);
    refuseBatchScript(env);
    return ALONE;
  }
  const place = readPlace(launcher, env);
  for (const other of others) checkAgreement(launcher, other, env);
  for (const one of told) {
    // A rank behind the first is no job of one, whatever a variable that was left over says.
    if (place.size === 1 && readCount(env, one.rank) > 0) refuseWithoutSize(one, env);
  }
  const startsMpi = told.some((one) => one.startsMpi !== false && tellsSame(one, place, env));
  return { ...place, startsMpi };
}

/**
 * Ranks of the job that `env` tells of, also in a batch script or a shell of an allocation, which is none of them.
 * @throws UserError as `resolveWorld` does.
 */
export const resolveSize = (env: Environment): number =>
  findLaunchers(env).length === 0 ? allocatedTasks(env) : resolveWorld(env).size;

/** Those whose variables are set, the inner ones first. Slurm's rank is also that of a batch script. */
function findLaunchers(env: Environment): Launcher[] {
  const isTold = ({ rank, size, sign }: Launcher): boolean => {
    const own = size.filter((name) => name !== WORLD_SIZE);
    return (sign === undefined || isSet(env, sign)) && findSet(env, [rank, ...own]) !== undefined;
  };
  return LAUNCHERS.filter((one) => (one === slurm ? isStep(env) : isTold(one)));
}

/** Those that tell a size too; where none does, those whose size the user has exported. */
function completeLaunchers(env: Environment, told: readonly Launcher[]): readonly Launcher[] {
  const complete = told.filter(({ size }) => findSet(env, size) !== undefined);
  if (complete.length > 0 || !isSet(env, WORLD_SIZE)) return complete;
  return told.map((one) => ({ ...one, size: [WORLD_SIZE] }));
}

function refuseWithoutSize({ name, rank, size }: Launcher, env: Environment): never {
  const unset = [...new Set([...size, WORLD_SIZE])].join(" or ");
  throw new UserError(
    `${rank} is ${env[rank] ?? ""}, but no ${unset} says of how many ranks: export ${WORLD_SIZE} with the ` +
      `number that ${name} starts, or start them by mpirun or srun --mpi=pmix`,
  );
}

type Place = Omit<JobRank, "startsMpi">;

function readPlace(launcher: Launcher, env: Environment): Place {
  const rank = readCount(env, launcher.rank);
  const size = readSize(launcher, env);
  const place: Place = {
    rank,
    size,
    ...readLocal(launcher, env, rank, size),
    nodes: stepNodes(env),
    launcher: launcher.name,
  };
  checkRank(launcher, place, env);
  return place;
}

function readSize(launcher: Launcher, env: Environment): number {
  const said = readCount(env, findSet(env, launcher.size)!);
  return launcher === slurm ? (tasksOfComponents(env) ?? said) : said;
}

function readLocal(launcher: Launcher, env: Environment, rank: number, size: number) {
  if (launcher.onePerNode) return { localRank: 0, localSize: 1 };
  // Where nobody says which ranks share a node, all do: none then takes more processors than are there.
  if (launcher.localRank.length === 0) return { localRank: rank, localSize: size };
  return {
    localRank: readLocalRank(launcher, env, size),
    localSize: readLocalSize(launcher, env, size),
  };
}

function readLocalRank({ rank, localRank }: Launcher, env: Environment, size: number): number {
  const name = findSet(env, localRank);
  if (name !== undefined) return readCount(env, name);
  if (size === 1) return 0;
  throw new UserError(
    `${rank} is set, but none of ${localRank.join(", ")}: ` +
      `the launcher must say which of its node's ranks this is`,
  );
}

function readLocalSize(launcher: Launcher, env: Environment, size: number): number {
  const { localSize, nodeCount } = launcher;
  const name = findSet(env, localSize);
  if (name !== undefined) return readCount(env, name);
  if (nodeCount !== undefined && isSet(env, nodeCount)) {
    return Math.ceil(size / Math.max(1, readCount(env, nodeCount)));
  }
  const isStepOfThese = isStep(env) && readSize(slurm, env) === size;
  return isStepOfThese ? (stepTasksOnNode(env) ?? size) : size;
}

function checkRank(
  launcher: Launcher,
  { rank, size, localRank, localSize }: Place,
  env: Environment,
) {
  if (size < 1 || rank >= size) {
    throw new UserError(
      `${launcher.rank} is ${rank}, must be below ${findSet(env, launcher.size)!}, which is ${size}`,
    );
  }
  if (localRank >= localSize || localSize > size) {
    throw new UserError(
      `${launcher.name} says local rank ${localRank} of ${localSize} on this node, in a job of ${size}: ` +
        `its variables come from two launches`,
    );
  }
}

/** Whether `launcher` tells this rank, and no other size. */
const tellsSame = (launcher: Launcher, { rank, size }: Place, env: Environment): boolean =>
  readCount(env, launcher.rank) === rank &&
  (findSet(env, launcher.size) === undefined || readSize(launcher, env) === size);

function checkAgreement(inner: Launcher, outer: Launcher, env: Environment): void {
  if (isNested(inner, outer, env)) return;
  const pairs = [
    [inner.rank, outer.rank],
    [findSet(env, inner.size)!, findSet(env, outer.size)!],
  ] as const;
  for (const [a, b] of pairs) {
    if (readCount(env, a) === readCount(env, b)) continue;
    throw new UserError(
      `${a} is ${env[a]!}, but ${b} is ${env[b]!}: two launchers disagree; unset the variables of one`,
    );
  }
}

/** Whether `inner` was started in a task of `outer`, whose variables then tell of that task. */
function isNested(inner: Launcher, outer: Launcher, env: Environment): boolean {
  const [size, outerSize] = [readSize(inner, env), readSize(outer, env)];
  if (size === 1) return outerSize === 1;
  if (outerSize === 1) return true; // as in an interactive shell that is a step
  const canBe = inner.startedBy?.includes(outer.name) === true;
  return canBe && (inner.startsMpi !== false || size !== outerSize);
}
