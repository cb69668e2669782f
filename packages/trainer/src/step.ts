// One optimizer step: gradients summed over micro-batches, clipped, and applied.

import { add, scalar, type Tensor } from "@tensorflow/tfjs-core";
import type { GptParams } from "@tessera/gpt";
import { accumulate, type Step } from "@tessera/layers";
import { clipFactor, globalNorm, learningRate, type OptimizerState } from "@tessera/optim";
import { disposeBatch, makeBatch } from "./batch.js";
import type { TrainingPlan } from "./plan.js";

/** What training changes. */
export interface TrainingState {
  readonly params: GptParams;
  readonly optimizer: OptimizerState<GptParams>;
  /** Optimizer steps taken. */
  readonly step: number;
  readonly consumedSamples: number;
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
  const { loss, gradients } = sumGradients(plan, state);
  const gradientNorm = globalNorm(gradients);
  const scale = plan.clipNorm > 0 ? clipFactor(gradientNorm, plan.clipNorm) : scalar(1);
  const step = state.step + 1;
  const rate = learningRate(plan.schedule, step);
  const next = plan.optimizer.step(state.params, gradients, state.optimizer, {
    step,
    learningRate: rate,
    scale,
  });
  scale.dispose();
  return {
    state: {
      params: next.params,
      optimizer: next.state,
      step,
      consumedSamples: state.consumedSamples + plan.batch.globalBatch,
    },
    report: { loss, gradientNorm, learningRate: rate },
  };
}

function sumGradients(plan: TrainingPlan, { params, step, consumedSamples }: TrainingState) {
  const { microBatch, accumulation, globalBatch } = plan.batch;
  const { sink, take } = accumulate(params);
  const weight = 1 / (globalBatch * plan.train.length);
  let loss: Tensor = scalar(0);
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
    const sum = add(loss, part);
    disposeBatch(batch);
    loss.dispose();
    part.dispose();
    loss = sum;
  }
  return { loss, gradients: take() };
}
