// One rank of a verification, as a thread or a process.

import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { World } from "@tessera/collectives";
import { chooseBackend, type BackendName } from "@tessera/engines";
import { verifyRun, type Verdict } from "@tessera/trainer/verify";
import { describedRun, type DescribedProgram } from "./find_run.js";

/** What is verified, and on what. */
export interface Verification {
  readonly program: DescribedProgram;
  readonly backend: BackendName;
  /** A folder that all ranks share. What is written there is removed. */
  readonly folder: string;
}

/** Verifies as this rank of `world`. Called by all of them. `environment` says how many threads the rank has. */
export async function verifyHere(
  world: World,
  { program, backend, folder }: Verification,
  environment: NodeJS.ProcessEnv,
): Promise<Verdict> {
  await chooseBackend(backend, environment);
  const config = await describedRun(program, world.size);
  const own = join(folder, `tessera-verify-${agreeOnNumber(world)}`);
  if (world.rank === 0) mkdirSync(own, { recursive: true, mode: 0o700 });
  world.all.barrier();
  try {
    const verdict = await verifyRun(world, config, { folder: own, onProgress: tellProgress() });
    world.all.barrier();
    return verdict;
  } finally {
    if (world.rank === 0) rmSync(own, { recursive: true, force: true });
  }
}

/** A random number of the first rank's. */
function agreeOnNumber({ rank, all }: World): number {
  const own = Float32Array.of(rank === 0 ? Math.floor(Math.random() * 2 ** 24) : 0);
  return all.allReduceValues(own).wait()[0]!;
}

/** Lines on stderr, with the time that is left. */
function tellProgress(): (what: string, done: number, all: number) => void {
  const began = performance.now();
  return (what, done, all) => {
    const seconds = (performance.now() - began) / 1000;
    const left = done === 0 ? "" : `, about ${Math.ceil((seconds * (all - done)) / done)} s left`;
    process.stderr.write(`${done + 1} of ${all}: ${what}${left}\n`);
  };
}

/** What threads call. */
export const main = (world: World, verification: Verification): Promise<Verdict> =>
  verifyHere(world, verification, { ...process.env, OMP_NUM_THREADS: "1" });
