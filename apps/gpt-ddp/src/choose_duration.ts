// How long a run trains: steps as flags say them, or as many as passes over the text take.

import { UserError, type BatchPlan, type ConfiguredFlags } from "@tessera/config";
import type { Tokenizer } from "@tessera/tokenizer";
import { hasDatasets, readSamples, type TextSamples } from "./choose_data.js";
import type { Flags } from "./flags.js";

/** Flags that say how many steps there are, and the text where it had to be counted for that. */
interface ChosenDuration {
  readonly flags: Flags;
  readonly text?: TextSamples;
}

/** @throws UserError where steps are said twice, or passes over what has no end. */
export async function chooseDuration(
  { flags, origins }: ConfiguredFlags<Flags>,
  tokenizer: Tokenizer,
  batch: BatchPlan,
): Promise<ChosenDuration> {
  const { num_train_epochs: epochs } = flags;
  if (epochs === undefined) return { flags };
  const steps = origins.get("max_steps");
  if (steps !== undefined) {
    throw new UserError(
      `--num_train_epochs ${epochs}, ${steps.name} ${flags.max_steps}: say one of them, the other follows`,
    );
  }
  if (hasDatasets(flags)) {
    throw new UserError(
      `--num_train_epochs ${epochs}: counts passes over --text; say --max_steps with --data_path`,
    );
  }
  const text = await readSamples(flags, tokenizer);
  return { flags: { ...flags, max_steps: countSteps(text.train.count, epochs, batch) }, text };
}

/** As Trainer counts them: each pass is a whole number of steps, and a part of one is rounded up. */
function countSteps(samples: number, epochs: number, batch: BatchPlan): number {
  const microBatches = Math.ceil(samples / (batch.microBatch * batch.dataRanks));
  return Math.ceil(epochs * Math.ceil(microBatches / batch.accumulation));
}
