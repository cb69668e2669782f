// The joint between a run and what is kept of it: every other file knows states only.

import type { World } from "@tessera/collectives";
import type { GptParams } from "@tessera/gpt";
import { materialize } from "@tessera/layers";
import {
  initialTrainingState,
  openCheckpoints,
  resumeRun,
  type Checkpoints,
  type Reporter,
  type Saver,
  type TrainingState,
} from "@tessera/trainer";
import type { Flags } from "./flags.js";
import type { Run } from "./run.js";

/** Where training starts: where the checkpoint left off, or with this rank's share of fresh weights. */
export function startOf({ plan, checkpoint, identity }: Run): TrainingState<GptParams> {
  if (checkpoint !== undefined) return resumeRun(plan, checkpoint, identity);
  const { model, seed, weightShard } = plan;
  return initialTrainingState(plan, materialize<GptParams>(model.spec, seed, weightShard));
}

/** The folder of --save, taken for this job; null where it is not given. */
export async function checkpointsOf(
  flags: Flags,
  world: World,
  say: (text: string) => void,
): Promise<Checkpoints | null> {
  const { save: folder, keep } = flags;
  if (folder === undefined) return null;
  const patienceSeconds = 60 * flags["distributed-timeout-minutes"];
  const isWaitedFor = !flags["async-save"];
  return openCheckpoints(world, { folder, keep, isWaitedFor, patienceSeconds, say });
}

/** What keeps states: nothing where --save is not given. */
export function saverOf(
  checkpoints: Checkpoints | null,
  flags: Flags,
  { plan, identity, data: { trainSamples } }: Run,
  reporter: Reporter,
): Saver {
  if (checkpoints !== null) {
    return checkpoints.of(plan, { identity, trainSamples, run: flags }, reporter);
  }
  return {
    save({ step }) {
      reporter.note(`iteration ${step} is not saved: no --save says where to`);
      return Promise.resolve();
    },
    check: () => undefined,
  };
}
