// The mean loss over samples that training does not see.

import type { Feed } from "@tessera/data";
import type { GptParams } from "@tessera/gpt";
import { still } from "@tessera/layers";
import { countedTokens, disposeBatch, makeBatch } from "./batch.js";
import { overRanks } from "./over_ranks.js";
import type { TrainingPlan } from "./plan.js";

/**
 * Nats per token that counts, over one pass of `feed`. Batches go to the ranks in turn, as many to
 * each, because gathering weights takes all of them; those past the end count nothing.
 */
export function evaluate(
  { model, sharing: { group }, evalBatch }: Pick<TrainingPlan, "model" | "sharing" | "evalBatch">,
  params: GptParams,
  feed: Feed,
): number {
  const rounds = Math.ceil(feed.count / (evalBatch * group.size));
  let sum = 0;
  let tokens = 0;
  for (let round = 0; round < rounds; round += 1) {
    const first = (round * group.size + group.rank) * evalBatch;
    const size = Math.min(evalBatch, feed.count - first);
    const rows = size > 0 ? feed.batch(first, size) : feed.batch(0, 1);
    // Averages, not sums, come out of the model: fp32 keeps their digits.
    const counted = size > 0 ? countedTokens(rows) : 0;
    const batch = makeBatch(rows, counted === 0 ? 0 : 1 / counted);
    const loss = model.loss(params, batch, still);
    sum += loss.dataSync()[0]! * counted;
    tokens += counted;
    disposeBatch(batch);
    loss.dispose();
  }
  return overRanks(group, sum) / overRanks(group, tokens);
}
