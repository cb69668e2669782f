// The microbatches of a step, through this rank's chunks of the model, in the order of its schedule.

import { dispose, stack, sum, tidy, zeros, type Tensor } from "@tensorflow/tfjs-core";
import type { BatchPlan } from "@tessera/config";
import type { GradientReducer } from "@tessera/data-parallel";
import type { ForwardContext } from "@tessera/layers";
import type { Outside } from "@tessera/layers/placement";
import { noTensorParallel } from "@tessera/layers/parallel";
import type { GradientSink, Tree } from "@tessera/params";
import { frozenIn } from "@tessera/params/frozen";
import { claim, type Placed } from "@tessera/params/placement";
import {
  contextOf,
  type ChunkSaved,
  type ModelChunk,
  type ModelStage,
  type TokenBatch,
} from "@tessera/model";
import { sampleShard } from "@tessera/parallel";
import {
  deferGradients,
  endsBackward,
  execute,
  type Message,
  type PipelineChunk,
  type PipelineSchedule,
} from "@tessera/pipeline-parallel";
import { disposeBatch, makeBatch } from "./batch.js";
import type { TrainingPlan } from "./plan.js";
import type { TrainingState } from "./state.js";

interface Saved {
  readonly record: ChunkSaved;
  /** The output of the last chunk, which becomes a loss in backward. */
  readonly y: Placed<Outside> | null;
}

export interface Pass<P extends Tree = Tree> {
  readonly state: Pick<TrainingState<P>, "params" | "step" | "consumedSamples">;
  readonly batch: BatchPlan;
  /** How much a token that counts weighs. */
  readonly weight: number;
  readonly reducer: GradientReducer<P>;
}

/**
 * Runs forward and backward of all microbatches; gradients go to the reducer. Returns this rank's weighted loss and
 * weight of each microbatch [accumulation, 2]: zeros where the model does not end here.
 */
export function runMicroBatches<P extends Tree>(
  plan: TrainingPlan<P>,
  pass: Pass<P>,
): Placed<"partial", "run"> {
  const { model, pipeline } = plan;
  const { params } = pass.state;
  const schedule = pipeline.schedule(pass.batch.accumulation);
  const sinks = sinksOf(pass.reducer, schedule);
  const rows = openRows(plan, pass, schedule);
  const losses = new Map<number, Tensor>();
  const isFrozen = frozenIn(model.spec);

  const backward = (
    chunk: ModelChunk<P>,
    microbatch: number,
    { record, y }: Saved,
    dy: Placed<Outside> | null,
    sink: GradientSink<P>,
  ) => {
    const { batch, ctx } = rows.get(microbatch);
    let dLast = dy!;
    if (chunk.head !== null) {
      const { loss, dx } = chunk.head.lossAndGradient(params, y!, batch.targets, sink);
      losses.set(
        microbatch,
        tidy(() => stack([loss, sum(batch.targets.weights)])),
      );
      loss.dispose();
      y!.dispose();
      dLast = dx;
    }
    const dx = chunk.backward(params, record, dLast, sink, ctx);
    if (chunk.head !== null) dLast.dispose();
    rows.release(microbatch);
    return dx;
  };

  const runnable = (chunk: ModelChunk<P>): PipelineChunk<Saved, Placed<Outside>> => ({
    forward(microbatch, x) {
      const { batch, ctx } = rows.get(microbatch);
      const [y, record] = chunk.forward(params, x ?? batch.ids, ctx);
      rows.release(microbatch);
      return chunk.head === null
        ? { y, saved: { record, y: null } }
        : { y: null, saved: { record, y } };
    },
    backward: (microbatch, saved, dy) => backward(chunk, microbatch, saved, dy, sinks.next()),
    input(microbatch, saved, dy) {
      const { sink, release } = deferGradients(params, isFrozen);
      return {
        dx: backward(chunk, microbatch, saved, dy, sink),
        weight: () => release(sinks.next()),
      };
    },
  });

  const message = messageOf(model, () => pass.batch.microBatch, plan.train.length);
  execute({ chunks: model.chunks.map(runnable), group: pipeline.group, message }, schedule);
  return stackLosses(losses, pass.batch.accumulation);
}

/** A row for each microbatch. Consumes `losses`. */
function stackLosses(
  losses: ReadonlyMap<number, Tensor>,
  microbatches: number,
): Placed<"partial", "run"> {
  const rows = Array.from({ length: microbatches }, (_, i) => losses.get(i) ?? zeros([2]));
  const stacked = stack(rows);
  dispose(rows);
  return claim(stacked);
}

/** What stages of `model` send each other of sequences of `length` tokens. */
export function messageOf(
  { model, options }: ModelStage,
  rows: (microbatch: number) => number,
  length: number,
): Message {
  const { storage = "fp32", tensorParallel = noTensorParallel } = options;
  const localTokens = length / tensorParallel.tokenShard.count;
  return { shape: (microbatch) => [rows(microbatch), localTokens, model.hiddenSize], storage };
}

/** A sink for each pass of backward, of which the schedule says the last. */
function sinksOf<P extends Tree>(reducer: GradientReducer<P>, schedule: PipelineSchedule) {
  let left = schedule.filter(endsBackward).length;
  return {
    next(): GradientSink<P> {
      left -= 1;
      return reducer.sink(left === 0);
    },
  };
}

/** Each microbatch as tensors, from its first use on this rank to its last. */
function openRows(plan: TrainingPlan, { state, batch, weight }: Pass, schedule: PipelineSchedule) {
  const { index, count } = sampleShard(plan.axes);
  const open = new Map<number, TokenBatch>();
  const uses = new Map<number, number>();
  for (const { microbatch, kind } of schedule) {
    if (kind !== "weight") uses.set(microbatch, (uses.get(microbatch) ?? 0) + 1);
  }
  return {
    get(microbatch: number): { readonly batch: TokenBatch; readonly ctx: ForwardContext } {
      // A microbatch of each rank, one beside the other, then the next of each.
      const firstRow = (microbatch * count + index) * batch.microBatch;
      const found =
        open.get(microbatch) ??
        makeBatch(plan.train.batch(state.consumedSamples + firstRow, batch.microBatch), weight);
      open.set(microbatch, found);
      const ctx: ForwardContext = {
        seed: plan.seed,
        step: state.step,
        training: true,
        firstRow,
        rows: batch.globalBatch,
        path: "",
      };
      return { batch: found, ctx: contextOf(ctx, found) };
    },
    release(microbatch: number): void {
      const left = uses.get(microbatch)! - 1;
      uses.set(microbatch, left);
      if (left > 0) return;
      disposeBatch(open.get(microbatch)!);
      open.delete(microbatch);
    },
  };
}
