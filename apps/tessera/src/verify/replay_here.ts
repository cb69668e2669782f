// One rank of a replay, as a thread or a process.

import type { World } from "@tessera/collectives";
import { UserError } from "@tessera/config";
import { checkpointBefore } from "@tessera/checkpoint";
import { chooseBackend, type BackendName } from "@tessera/engines";
import type { RunConfig } from "@tessera/trainer";
import type { Metrics } from "@tessera/trainer/report";
import { replayRun } from "@tessera/trainer/verify";
import { describedRun, type DescribedProgram } from "./find_run.js";

/** What is replayed, and on what. */
export interface ReplayRequest {
  readonly program: DescribedProgram;
  readonly backend: BackendName;
  readonly step: number;
  /** A checkpoint. Default: the last one of the run before the step. */
  readonly checkpoint?: string | undefined;
}

/** The figures of a step, and the checkpoint that they were computed from. */
export interface Replayed {
  readonly checkpoint: string;
  readonly figures: Metrics;
}

/** Replays as this rank of `world`. Called by all of them. `environment` says how many threads the rank has. */
export async function replayHere(
  world: World,
  { program, backend, step, checkpoint }: ReplayRequest,
  environment: NodeJS.ProcessEnv,
): Promise<Replayed> {
  await chooseBackend(backend, environment);
  const config = await describedRun(program, world.size);
  const resume = checkpoint ?? lastBefore(config, step);
  const began = performance.now();
  let done = 0;
  const onStep = (at: number): void => {
    done += 1;
    const seconds = (performance.now() - began) / 1000;
    const left = Math.ceil((seconds / done) * (step - at));
    if (seconds > 2) process.stderr.write(`step ${at} of ${step}, about ${left} s left\n`);
  };
  return { checkpoint: resume, figures: await replayRun(world, config, { resume, step, onStep }) };
}

/** The last checkpoint of a run before `step`. */
function lastBefore({ checkpoints }: RunConfig, step: number): string {
  if (checkpoints === undefined) {
    throw new UserError("the run saves no checkpoints: name one with --checkpoint");
  }
  const found = checkpointBefore(checkpoints.folder, step);
  if (found !== undefined) return found;
  throw new UserError(
    `${checkpoints.folder}: has no checkpoint before step ${step}; choose a later step, or name one with --checkpoint`,
  );
}

/** What threads call. */
export const main = (world: World, request: ReplayRequest): Promise<Replayed> =>
  replayHere(world, request, { ...process.env, OMP_NUM_THREADS: "1" });
