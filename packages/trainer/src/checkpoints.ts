// Where a run is kept, and where it goes on from.

import { loadCheckpoint, readModelConfig, readProgress, saveCheckpoint } from "@tessera/checkpoint";
import { UserError } from "@tessera/config";
import type { GptConfig } from "@tessera/gpt";
import { disposeTree } from "@tessera/layers";
import { isFirstRank } from "./over_ranks.js";
import type { TrainingPlan } from "./plan.js";
import { resumedState, wholeState } from "./state.js";
import type { TrainingState } from "./step.js";

/** What two runs must share so that one can continue the other. */
export type Identity = Readonly<Record<string, string | number>>;

export interface Keeping {
  readonly outputDir: string;
  readonly identity: Identity;
  /** Samples that the order of the data was laid out for; absent where it has no end. */
  readonly trainSamples?: number | undefined;
}

/** Saves `state`, which it borrows. Called by all ranks. Returns the folder on the first, null elsewhere. */
export function saveRun(plan: TrainingPlan, state: TrainingState, keeping: Keeping): string | null {
  const { step, consumedSamples, lossScale } = state;
  const { outputDir, identity, trainSamples } = keeping;
  const progress = { step, consumedSamples, trainSamples, lossScale, identity: { ...identity } };
  const { params, optimizer } = wholeState(plan, state);
  const { config } = plan.model;
  const folder = isFirstRank(plan)
    ? saveCheckpoint(outputDir, { params, state: optimizer, config, progress })
    : null;
  disposeTree(params);
  disposeTree(optimizer);
  return folder;
}

/** Where the run that was saved in `folder` goes on. Throws a UserError where this run is another. */
export function resumeRun(plan: TrainingPlan, folder: string, identity: Identity): TrainingState {
  const { config } = plan.model;
  const saved = { ...sizesOf(readModelConfig(folder)), ...readProgress(folder).identity };
  for (const [name, value] of Object.entries({ ...sizesOf(config), ...identity })) {
    if (saved[name] !== value) {
      throw new UserError(
        `${folder}: was trained with ${name} ${saved[name]}, this run has ${value}`,
      );
    }
  }
  const { params, state, progress } = loadCheckpoint(folder, plan.optimizer.slots);
  const { step, consumedSamples, lossScale } = progress;
  return resumedState(plan, { params, optimizer: state }, { step, consumedSamples, lossScale });
}

/** What says which tensors a model has, and what it makes of them. */
const sizesOf = ({ dropout: _dropout, ...sizes }: GptConfig): Identity =>
  Object.fromEntries(
    Object.entries(sizes).flatMap(([name, value]) =>
      typeof value === "object"
        ? Object.entries(value).map(([key, part]) => [`${name}.${key}`, String(part)])
        : [[name, String(value)]],
    ),
  );
