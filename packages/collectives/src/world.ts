// All ranks of a job, and the groups that can be formed of them.

import { describeMesh, members, worldSize, type Mesh } from "@tessera/mesh";
import { EXIT, exitCodeOf, isPlain } from "@tessera/config";
import type { ProcessGroup } from "./group.js";

/** All ranks of a job, seen from one of them. */
export interface World {
  /** This rank's number, from 0. */
  readonly rank: number;
  /** Number of ranks of the job. */
  readonly size: number;
  /** The host of each rank. */
  readonly hosts: readonly string[];
  /** The engine's name, for logs: "Open MPI 4.1.4". */
  readonly engine: string;
  /** The group of all ranks. */
  readonly all: ProcessGroup;
  /**
   * Forms the group of `ranks`, which must include this rank. All its members call this; those of several groups in the
   * same order.
   */
  group(name: string, ranks: readonly number[]): ProcessGroup;
  /** Ends the job on all ranks immediately, with an exit code. The caller must have logged the reason. */
  abort(code: number): never;
  /** Waits until all ranks have called it and all sends are complete. Groups must not be used afterwards. */
  close(): void;
}

/**
 * This rank's group along each axis of the mesh, in the order of the axes. A collective call of all ranks.
 * @throws RangeError where mesh and world differ in size.
 */
export function meshGroups(world: World, mesh: Mesh): ProcessGroup[] {
  if (worldSize(mesh) !== world.size) {
    throw new RangeError(
      `${describeMesh(mesh)} is ${worldSize(mesh)} ranks, but the job has ${world.size}`,
    );
  }
  return mesh.map(({ name }) => world.group(name, members(mesh, world.rank, name)));
}

/** "rank 3 (host n1)": the prefix of error messages. */
export const nameRank = ({ hosts }: Pick<World, "hosts">, rank: number): string =>
  `rank ${rank} (host ${hosts[rank] ?? "unknown"})`;

/**
 * Runs `program` as this rank of `world`, and returns its exit code. If it throws, or the process exits before it ends,
 * the cause is logged with rank and host, and the job is aborted on all ranks.
 */
export async function runRank(
  world: World,
  program: (world: World) => number | Promise<number>,
  log: (line: string) => void = (line) => void process.stderr.write(`${line}\n`),
): Promise<number> {
  const abort = (code: number): void => {
    if (world.size === 1) return;
    log(`${nameRank(world, world.rank)}: ended with code ${code} before the others had`);
    world.abort(code || EXIT.failed);
  };
  process.once("exit", abort);
  try {
    const code = await program(world);
    // All ranks finish or are interrupted together; a failing rank fails alone.
    const isCollective = code === EXIT.done || code === EXIT.interrupted;
    if (isCollective) world.close();
    process.off("exit", abort);
    if (!isCollective && world.size > 1) abort(code);
    return code;
  } catch (error) {
    process.off("exit", abort);
    if (world.size === 1) throw error;
    for (const line of stackLines(error)) log(line);
    log(
      `${nameRank(world, world.rank)}: ${error instanceof Error ? error.message : String(error)}`,
    );
    return world.abort(exitCodeOf(error));
  }
}

/** The stack trace, unless the message says all. Logged before the message, as the last line is the one that is read. */
function stackLines(error: unknown): readonly string[] {
  if (!(error instanceof Error) || isPlain(error)) return [];
  return error.stack?.split("\n").filter((line) => line.startsWith("    at ")) ?? [];
}
