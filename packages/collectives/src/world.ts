// All ranks of a job, and the groups among them.

import { describeMesh, members, worldSize, type Mesh } from "@tessera/mesh";
import { EXIT, exitCodeOf } from "@tessera/config";
import type { ProcessGroup } from "./group.js";

export interface World {
  readonly rank: number;
  readonly size: number;
  /** The machine of each rank. */
  readonly hosts: readonly string[];
  /** What moves elements, for people: "Open MPI 4.1.4". */
  readonly engine: string;
  /** The group of all ranks. */
  readonly all: ProcessGroup;
  /**
   * The group of `ranks`, of which this one must be one. All its members call this, and members
   * of several groups call for them in the same order.
   */
  group(name: string, ranks: readonly number[]): ProcessGroup;
  /** Ends the job on all ranks, at once, with an exit code. Whoever calls it has said why. */
  abort(code: number): never;
  /** Waits until all ranks have called it and what was sent has left. Groups are then of no use. */
  close(): void;
}

/**
 * This rank's group along each axis of the mesh, in its order. Called by all ranks of the world.
 * @throws RangeError where the mesh has more or fewer ranks than the world.
 */
export function meshGroups(world: World, mesh: Mesh): ProcessGroup[] {
  if (worldSize(mesh) !== world.size) {
    throw new RangeError(
      `${describeMesh(mesh)} is ${worldSize(mesh)} ranks, but the job has ${world.size}`,
    );
  }
  return mesh.map(({ name }) => world.group(name, members(mesh, world.rank, name)));
}

/** "rank 3 (host n1)", as errors begin. */
export const nameRank = ({ hosts }: Pick<World, "hosts">, rank: number): string =>
  `rank ${rank} (host ${hosts[rank] ?? "unknown"})`;

/**
 * Runs `program` as this rank of `world`. Where it throws, the cause is told with rank and host, and
 * the job ends on all ranks; so it does where the process ends before `program` has.
 */
export async function runRank(
  world: World,
  program: (world: World) => number | Promise<number>,
  say: (line: string) => void = (line) => void process.stderr.write(`${line}\n`),
): Promise<number> {
  const leave = (code: number): void => {
    if (world.size === 1) return;
    say(`${nameRank(world, world.rank)}: ended with code ${code} before the others had`);
    world.abort(code || EXIT.failed);
  };
  process.once("exit", leave);
  try {
    const code = await program(world);
    // Ranks finish and stop together; a rank that fails does so alone.
    const isTogether = code === EXIT.done || code === EXIT.interrupted;
    if (isTogether) world.close();
    process.off("exit", leave);
    if (!isTogether && world.size > 1) leave(code);
    return code;
  } catch (error) {
    process.off("exit", leave);
    if (world.size === 1) throw error;
    for (const line of stackOf(error)) say(line);
    say(
      `${nameRank(world, world.rank)}: ${error instanceof Error ? error.message : String(error)}`,
    );
    return world.abort(exitCodeOf(error));
  }
}

/** Where it was thrown, unless it is a mistake of the user's: told first, for the last line is read. */
function stackOf(error: unknown): readonly string[] {
  if (!(error instanceof Error) || error.name === "UserError") return [];
  return error.stack?.split("\n").filter((line) => line.startsWith("    at ")) ?? [];
}
