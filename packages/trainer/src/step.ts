// One optimizer step: gradients summed over micro-batches, clipped, and applied.

import { add, div, scalar, sqrt, tidy, type Tensor } from "@tensorflow/tfjs-core";
import type { GptParams } from "@tessera/gpt";
import type { Step, Tree } from "@tessera/layers";
import {
  clipFactor,
  initialLossScale,
  learningRate,
  nextLossScale,
  type LossScale,
  type OptimizerState,
} from "@tessera/optim";
import { disposeBatch, makeBatch } from "./batch.js";
import type { TrainingPlan } from "./plan.js";

/** What training changes. */
export interface TrainingState {
  /** What this rank holds of the weights. */
  readonly params: GptParams;
  /** What this rank's optimizer remembers. */
  readonly optimizer: OptimizerState<Tree>;
  /** Steps taken, those left out because of overflow among them. */
  readonly step: number;
  readonly consumedSamples: number;
  /** Where loss scaling stands; undefined before its first step, or without it. */
  readonly lossScale?: LossScale | undefined;
}

/** What a step tells; the scalars are the caller's, and are read back only when shown. */
export interface StepReport {
  readonly loss: Tensor;
  readonly gradientNorm: Tensor;
  readonly learningRate: number;
}

/** Takes ownership of `state`. The loss is the mean over the batch, in nats per token. */
export function takeStep(
  plan: TrainingPlan,
  state: TrainingState,
): { readonly state: TrainingState; readonly report: StepReport } {
  const { lossScaling, clipNorm, sharing, tensor } = plan;
  const lossScale = lossScaling && (state.lossScale ?? initialLossScale(lossScaling));
  const factor = lossScale?.scale ?? 1;
  const { loss, gradients } = sumGradients(plan, state, factor);
  const squares = sharing.squares(gradients, tensor.share);
  const total = tensor.group.allReduce(squares).wait();
  const gradientNorm: Tensor = tidy(() => div(sqrt(total), factor));
  squares.dispose();
  total.dispose();
  const scale = tidy(() => div(clipFactor(gradientNorm, clipNorm || Infinity), factor));
  // Learning rate and Adam's corrections count the steps that changed something.
  const update = state.step - (lossScale?.skippedSteps ?? 0) + 1;
  const rate = learningRate(plan.schedule, update);
  const owned = sharing.own(state.params);
  const next = plan.optimizer.step(owned, gradients, state.optimizer, {
    step: update,
    learningRate: rate,
    scale,
  });
  scale.dispose();
  return {
    state: {
      params: sharing.release(next.params),
      optimizer: next.state,
      step: state.step + 1,
      consumedSamples: state.consumedSamples + plan.batch.globalBatch,
      lossScale: lossScaling
        ? nextLossScale(lossScaling, lossScale!, !Number.isFinite(valueOf(gradientNorm)))
        : undefined,
    },
    report: { loss, gradientNorm, learningRate: rate },
  };
}

/** Reads a scalar back. */
export const valueOf = (scalar: Tensor): number => scalar.dataSync()[0]!;

/** The mean loss over all ranks, and this rank's share of the gradients of `factor` times it. */
function sumGradients(
  plan: TrainingPlan,
  { params, step, consumedSamples }: TrainingState,
  factor: number,
) {
  const { microBatch, accumulation, globalBatch } = plan.batch;
  const { group } = plan.sharing;
  const { sink, take } = plan.sharing.collect(params);
  const weight = factor / (globalBatch * plan.train.length);
  let scaled: Tensor = scalar(0);
  for (let micro = 0; micro < accumulation; micro += 1) {
    // A micro-batch of each rank, side by side, then the next of each.
    const firstRow = (micro * group.size + group.rank) * microBatch;
    const at: Step = {
      seed: plan.seed,
      index: step,
      training: true,
      firstRow,
      rows: globalBatch,
      path: "",
    };
    const first = consumedSamples + firstRow;
    const batch = makeBatch(plan.train, plan.order, { first, size: microBatch, weight });
    const part = plan.model.lossAndGradients(params, batch, sink(micro === accumulation - 1), at);
    const sum = add(scaled, part);
    disposeBatch(batch);
    scaled.dispose();
    part.dispose();
    scaled = sum;
  }
  const loss = div<Tensor>(scaled, factor);
  scaled.dispose();
  const gradients = plan.tensor.complete(take());
  const total = group.allReduce(loss).wait();
  loss.dispose();
  return { loss: total, gradients };
}
