// The mean loss over samples that training does not see.

import { sequentialOrder, type Samples } from "@tessera/data";
import type { GptParams } from "@tessera/gpt";
import { still } from "@tessera/layers";
import { disposeBatch, makeBatch } from "./batch.js";
import { overRanks } from "./over_ranks.js";
import type { TrainingPlan } from "./plan.js";

/**
 * Nats per token over all of `samples`, each counted once. Batches go to the ranks in turn, as many to
 * each, because gathering weights takes all of them; those past the end count nothing.
 */
export function evaluate(
  { model, sharing: { group }, evalBatch }: Pick<TrainingPlan, "model" | "sharing" | "evalBatch">,
  params: GptParams,
  samples: Samples,
): number {
  const order = sequentialOrder(samples.count);
  const rounds = Math.ceil(samples.count / (evalBatch * group.size));
  let sum = 0;
  for (let round = 0; round < rounds; round += 1) {
    const first = (round * group.size + group.rank) * evalBatch;
    const size = Math.min(evalBatch, samples.count - first);
    const weight = size > 0 ? 1 / samples.length : 0;
    const batch = makeBatch(samples, order, { first, size: Math.max(size, 1), weight });
    const loss = model.loss(params, batch, still);
    sum += loss.dataSync()[0]!;
    disposeBatch(batch);
    loss.dispose();
  }
  return overRanks(group, sum) / samples.count;
}
