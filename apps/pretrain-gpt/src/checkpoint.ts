// The joint between a run and what is kept of it: every other file knows states only.

import { materialize } from "@tessera/layers";
import { partOf } from "@tessera/tensor-parallel";
import { freshState, resumeRun, saveRun, type TrainingState } from "@tessera/trainer";
import type { GptParams } from "@tessera/gpt";
import type { Flags } from "./flags.js";
import type { Run } from "./run.js";

/** Where training starts: where the checkpoint left off, or with this rank's share of fresh weights. */
export function startOf({ plan, checkpoint, identity }: Run): TrainingState {
  if (checkpoint !== undefined) return resumeRun(plan, checkpoint, identity);
  const { model, seed, tensor } = plan;
  return freshState(plan, materialize<GptParams>(model.spec, seed, partOf(tensor)));
}

/** What keeps a state: nothing where --save is not given. */
export function saverOf(
  { save: outputDir }: Flags,
  { plan, identity, data: { trainSamples } }: Run,
  note: (text: string) => void,
): (state: TrainingState) => void {
  if (outputDir === undefined) {
    return ({ step }) => note(`iteration ${step} is not saved: no --save says where to`);
  }
  return (state) => {
    const folder = saveRun(plan, state, { outputDir, identity, trainSamples });
    if (folder !== null) note(`saved  ${folder}`);
  };
}
