// The micro-batches of a step, through this rank's parts of the model, in the order of its schedule.

import { stack, sum, tidy, zeros, type Tensor } from "@tensorflow/tfjs-core";
import type { BatchPlan } from "@tessera/config";
import type { GradientReducer } from "@tessera/data-parallel";
import {
  withBatch,
  type Batch,
  type GptParams,
  type GptChunk,
  type ChunkSaved,
} from "@tessera/gpt";
import {
  addAndDispose,
  noTensorParallel,
  type GradientSink,
  type ForwardContext,
} from "@tessera/layers";
import {
  endsBackward,
  execute,
  deferGradients,
  type PipelineChunk,
  type PipelineSchedule,
} from "@tessera/pipeline-parallel";
import { disposeBatch, makeBatch } from "./batch.js";
import type { TrainingPlan } from "./plan.js";
import type { TrainingState } from "./step.js";

interface Saved {
  readonly record: ChunkSaved;
  /** What the last part made, which becomes a loss in backward. */
  readonly y: Tensor | null;
}

export interface Pass {
  readonly state: Pick<TrainingState, "params" | "step" | "consumedSamples">;
  readonly batch: BatchPlan;
  /** How much a token that counts weighs. */
  readonly weight: number;
  readonly collector: GradientReducer<GptParams>;
}

/**
 * Runs forward and backward of all micro-batches; gradients go to the collector. Returns this rank's
 * weighed losses and weights, summed [2]: zeros where the model does not end here.
 */
export function runMicroBatches(plan: TrainingPlan, pass: Pass): Tensor {
  const { model, pipeline } = plan;
  const { params } = pass.state;
  const { microBatch, accumulation } = pass.batch;
  const schedule = pipeline.schedule(accumulation);
  const sinks = sinksOf(pass.collector, schedule);
  const rows = rowsOf(plan, pass, schedule);
  let sums: Tensor = zeros([2]);

  const backward = (
    part: GptChunk,
    microbatch: number,
    saved: Saved,
    dy: Tensor | null,
    sink: GradientSink<GptParams>,
  ) => {
    const { record, y } = saved;
    const { batch, at: ctx } = rows.get(microbatch);
    let dLast = dy!;
    if (part.head !== null) {
      const { loss, dx } = part.head.lossAndGradient(params, y!, batch.targets, sink);
      const more = tidy(() => stack([loss, sum(batch.targets.weights)]));
      sums = addAndDispose(sums, more);
      loss.dispose();
      y!.dispose();
      dLast = dx;
    }
    const dx = part.backward(params, record, dLast, sink, ctx);
    if (part.head !== null) dLast.dispose();
    rows.used(microbatch);
    return dx;
  };

  const partOf = (part: GptChunk): PipelineChunk<Saved> => ({
    forward(microbatch, x) {
      const { batch, at: ctx } = rows.get(microbatch);
      const [y, record] = part.forward(params, x ?? batch.ids, ctx);
      rows.used(microbatch);
      return part.head === null
        ? { y, saved: { record, y: null } }
        : { y: null, saved: { record, y } };
    },
    backward: (microbatch, saved, dy) => backward(part, microbatch, saved, dy, sinks.next()),
    input(microbatch, saved, dy) {
      const { sink, release } = deferGradients(params);
      return {
        dx: backward(part, microbatch, saved, dy, sink),
        weight: () => release(sinks.next()),
      };
    },
  });

  const { hiddenSize } = model.config;
  const { storage = "fp32", tensorParallel = noTensorParallel } = model.options;
  const heldTokens = plan.train.length / tensorParallel.tokenShard.count;
  const message = { shape: () => [microBatch, heldTokens, hiddenSize], storage };
  execute({ chunks: model.chunks.map(partOf), group: pipeline.group, message }, schedule);
  return sums;
}

/** A sink for each pass of backward, of which the schedule says the last. */
function sinksOf({ sink }: GradientReducer<GptParams>, schedule: PipelineSchedule) {
  let left = schedule.filter(endsBackward).length;
  return {
    next(): GradientSink<GptParams> {
      left -= 1;
      return sink(left === 0);
    },
  };
}

/** Each micro-batch as tensors, from its first use on this rank to its last. */
function rowsOf(plan: TrainingPlan, { state, batch, weight }: Pass, schedule: PipelineSchedule) {
  const { group } = plan.dataParallel;
  const made = new Map<number, Batch>();
  const uses = new Map<number, number>();
  for (const { microbatch, kind } of schedule) {
    if (kind !== "weight") uses.set(microbatch, (uses.get(microbatch) ?? 0) + 1);
  }
  return {
    get(microbatch: number): { readonly batch: Batch; readonly at: ForwardContext } {
      // A micro-batch of each rank, side by side, then the next of each.
      const firstRow = (microbatch * group.size + group.rank) * batch.microBatch;
      const found =
        made.get(microbatch) ??
        makeBatch(plan.train.batch(state.consumedSamples + firstRow, batch.microBatch), weight);
      made.set(microbatch, found);
      const ctx: ForwardContext = {
        seed: plan.seed,
        step: state.step,
        training: true,
        firstRow,
        rows: batch.globalBatch,
        path: "",
      };
      return { batch: found, at: withBatch(ctx, found) };
    },
    used(microbatch: number): void {
      const left = uses.get(microbatch)! - 1;
      uses.set(microbatch, left);
      if (left > 0) return;
      disposeBatch(made.get(microbatch)!);
      made.delete(microbatch);
    },
  };
}
