// The mean loss over samples that training does not see.

import type { Feed } from "@tessera/data";
import { withBatch, type GptParams, type GptChunk } from "@tessera/gpt";
import { disposeTree, evalContext, noTensorParallel } from "@tessera/layers";
import { executeForward, type ForwardChunk } from "@tessera/pipeline-parallel";
import { countedTokens, disposeBatch, makeBatch } from "./batch.js";
import { allReduceScalar, type Axes } from "./all_reduce_scalar.js";
import type { TrainingPlan } from "./plan.js";

export type EvaluationPlan = Pick<TrainingPlan, "model" | "evalBatch"> & Axes;

/**
 * Nats per token that counts, over one pass of `feed`. Batches go to the data-parallel ranks in turn, as
 * many to each, because gathering weights takes all of them; those past the end count nothing. `progress`
 * is told how many rounds of batches are done.
 */
export function evaluate(
  plan: EvaluationPlan,
  params: GptParams,
  feed: Feed,
  progress: (done: number, rounds: number) => void = () => undefined,
): number {
  const { model, evalBatch, dataParallel, pipeline } = plan;
  const { size, rank } = dataParallel.group;
  const rounds = Math.ceil(feed.count / (evalBatch * size));
  const { storage = "fp32", tensorParallel = noTensorParallel } = model.options;
  const heldTokens = feed.length / tensorParallel.tokenShard.count;
  let nats = 0;
  let tokens = 0;

  const spanOf = (round: number) => {
    const first = (round * size + rank) * evalBatch;
    const rows = Math.min(evalBatch, feed.count - first);
    return rows > 0 ? { first, rows, isPast: false } : { first: 0, rows: 1, isPast: true };
  };
  const forwardOf = (part: GptChunk): ForwardChunk => ({
    forward(round, x) {
      const { first, rows, isPast } = spanOf(round);
      const read = feed.batch(first, rows);
      // Averages, not sums, come out of the model: fp32 keeps their digits.
      const counted = isPast ? 0 : countedTokens(read);
      const batch = makeBatch(read, counted === 0 ? 0 : 1 / counted);
      const [y, saved] = part.forward(params, x ?? batch.ids, withBatch(evalContext, batch));
      disposeTree(saved);
      const loss = part.head?.loss(params, y, batch.targets);
      disposeBatch(batch);
      if (loss === undefined) return { y };
      nats += loss.dataSync()[0]! * counted;
      tokens += counted;
      loss.dispose();
      y.dispose();
      return { y: null };
    },
  });

  const parts = model.chunks.map(forwardOf);
  const shape = (round: number) => [spanOf(round).rows, heldTokens, model.config.hiddenSize];
  const together = pipeline.group.size;
  for (let first = 0; first < rounds; first += together) {
    const some = Array.from({ length: Math.min(together, rounds - first) }, (_, i) => first + i);
    executeForward({ chunks: parts, group: pipeline.group, message: { shape, storage } }, some);
    progress(first + some.length, rounds);
  }
  const total = (value: number): number => allReduceScalar(plan, ["data", "pipeline"], value);
  return total(nats) / total(tokens);
}
