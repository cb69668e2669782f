// The mean loss over samples that training does not see.

import type { Feed } from "@tessera/data";
import { evalContext } from "@tessera/layers";
import type { Outside } from "@tessera/layers/placement";
import { disposeTree, type Tree } from "@tessera/params";
import type { Placed } from "@tessera/params/placement";
import { contextOf, type ModelChunk } from "@tessera/model";
import { allReduceValues, lossAxes, sampleShard } from "@tessera/parallel";
import { executeForward, type ForwardChunk } from "@tessera/pipeline-parallel";
import { countedTokens, disposeBatch, makeBatch } from "./batch.js";
import { messageOf } from "./microbatches.js";
import type { TrainingPlan } from "./plan.js";

export type EvaluationPlan<P extends Tree = Tree> = Pick<
  TrainingPlan<P>,
  "model" | "evalBatch" | "axes" | "pipeline"
>;

/** Over tokens that count, of all ranks. */
export interface LossSums {
  readonly nats: number;
  readonly tokens: number;
}

/** Nats per token that counts, over one pass of `feed`. `progress` gets the number of rounds done. */
export function evaluate<P extends Tree>(
  plan: EvaluationPlan<P>,
  params: P,
  feed: Feed,
  progress?: (done: number, rounds: number) => void,
): number {
  const { nats, tokens } = sumLosses(plan, params, feed, progress);
  return nats / tokens;
}

/**
 * Losses over one pass of `feed`. Data-parallel ranks take batches in turn, as many each, because gathering weights
 * takes all of them; batches past the end count nothing.
 */
export function sumLosses<P extends Tree>(
  plan: EvaluationPlan<P>,
  params: P,
  feed: Feed,
  progress: (done: number, rounds: number) => void = () => undefined,
): LossSums {
  const { model, evalBatch, axes, pipeline } = plan;
  const { index, count } = sampleShard(axes);
  const rounds = Math.ceil(feed.count / (evalBatch * count));
  /** The mean loss and the counted tokens of each batch, by its place in the feed; zeros where others have it. */
  const losses = new Float32Array(rounds * count);
  const tokens = new Float32Array(rounds * count);

  const batchOf = (round: number) => {
    const first = (round * count + index) * evalBatch;
    const rows = Math.min(evalBatch, feed.count - first);
    return rows > 0 ? { first, rows, isPast: false } : { first: 0, rows: 1, isPast: true };
  };
  const runnable = (chunk: ModelChunk<P>): ForwardChunk<Placed<Outside>> => ({
    forward(round, x) {
      const { first, rows, isPast } = batchOf(round);
      const read = feed.batch(first, rows);
      // Averages, not sums, come out of the model: fp32 keeps their digits.
      const counted = isPast ? 0 : countedTokens(read);
      const batch = makeBatch(read, counted === 0 ? 0 : 1 / counted);
      const [y, saved] = chunk.forward(params, x ?? batch.ids, contextOf(evalContext, batch));
      disposeTree(saved);
      const loss = chunk.head?.loss(params, y, batch.targets);
      disposeBatch(batch);
      if (loss === undefined) return { y };
      losses[round * count + index] = loss.dataSync()[0]!;
      tokens[round * count + index] = counted;
      loss.dispose();
      y.dispose();
      return { y: null };
    },
  });

  const chunks = model.chunks.map(runnable);
  const message = messageOf(model, (round) => batchOf(round).rows, feed.length);
  const together = pipeline.group.size;
  for (let first = 0; first < rounds; first += together) {
    const some = Array.from({ length: Math.min(together, rounds - first) }, (_, i) => first + i);
    executeForward({ chunks, group: pipeline.group, message }, some);
    progress(first + some.length, rounds);
  }
  const [allLosses, allTokens] = [losses, tokens].map((own) =>
    allReduceValues(lossAxes(axes), own),
  );
  return {
    nats: allLosses!.reduce((sum, loss, i) => sum + loss * allTokens![i]!, 0),
    tokens: allTokens!.reduce((sum, counted) => sum + counted, 0),
  };
}
