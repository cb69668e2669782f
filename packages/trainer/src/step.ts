// One optimizer step: gradients summed over micro-batches, clipped, and applied.

import { add, div, scalar, tidy, type Tensor } from "@tensorflow/tfjs-core";
import type { GptParams } from "@tessera/gpt";
import { accumulate, type Step } from "@tessera/layers";
import {
  clipFactor,
  globalNorm,
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
  readonly params: GptParams;
  readonly optimizer: OptimizerState<GptParams>;
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
  const { lossScaling, clipNorm } = plan;
  const lossScale = lossScaling && (state.lossScale ?? initialLossScale(lossScaling));
  const factor = lossScale?.scale ?? 1;
  const { loss, gradients } = sumGradients(plan, state, factor);
  const gradientNorm = tidy(() => div(globalNorm(gradients), factor));
  const scale = tidy(() => div(clipFactor(gradientNorm, clipNorm || Infinity), factor));
  // Learning rate and Adam's corrections count the steps that changed something.
  const update = state.step - (lossScale?.skippedSteps ?? 0) + 1;
  const rate = learningRate(plan.schedule, update);
  const next = plan.optimizer.step(state.params, gradients, state.optimizer, {
    step: update,
    learningRate: rate,
    scale,
  });
  scale.dispose();
  return {
    state: {
      params: next.params,
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

/** The mean loss, and the gradients of `factor` times it. */
function sumGradients(
  plan: TrainingPlan,
  { params, step, consumedSamples }: TrainingState,
  factor: number,
) {
  const { microBatch, accumulation, globalBatch } = plan.batch;
  const { sink, take } = accumulate(params);
  const weight = factor / (globalBatch * plan.train.length);
  let scaled: Tensor = scalar(0);
  for (let micro = 0; micro < accumulation; micro += 1) {
    const firstRow = micro * microBatch;
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
    const part = plan.model.lossAndGradients(params, batch, sink, at);
    const sum = add(scaled, part);
    disposeBatch(batch);
    scaled.dispose();
    part.dispose();
    scaled = sum;
  }
  const loss = div<Tensor>(scaled, factor);
  scaled.dispose();
  return { loss, gradients: take() };
}
