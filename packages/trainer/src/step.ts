// One optimizer step: gradients summed over micro-batches, clipped, and applied.

import { div, maximum, sqrt, tidy, unstack, type Tensor } from "@tensorflow/tfjs-core";
import type { ProcessGroup } from "@tessera/collectives";
import type { BatchPlan } from "@tessera/config";
import type { GptParams } from "@tessera/gpt";
import type { Tree } from "@tessera/layers";
import {
  clipFactor,
  initialLossScale,
  learningRate,
  nextLossScale,
  type LossScale,
  type OptimizerState,
} from "@tessera/optim";
import { runMicroBatches } from "./micro_batches.js";
import { batchAfter, type TrainingPlan } from "./plan.js";

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
  const { lossScaling, dataParallel, tensor, pipeline } = plan;
  const lossScale = lossScaling && (state.lossScale ?? initialLossScale(lossScaling));
  const factor = lossScale?.scale ?? 1;
  const { sums, gradients } = sumGradients(plan, state, factor);
  const share = (path: string): number => 1 / (tensor.copy(path).count * pipeline.copy(path).count);
  const squares = dataParallel.sumOfSquares(gradients, share);
  const { loss, gradientNorm, scale } = perToken(plan, sums, squares);
  // Learning rate and Adam's corrections count the steps that changed something.
  const update = state.step - (lossScale?.skippedSteps ?? 0) + 1;
  const consumedSamples =
    state.consumedSamples + batchAfter(plan, state.consumedSamples).globalBatch;
  const effectiveSamples = consumedSamples - (lossScale?.skippedSamples ?? 0);
  const rate = learningRate(
    plan.schedule,
    plan.scheduleUnit === "samples" ? effectiveSamples : update,
  );
  const owned = dataParallel.toOptimizer(state.params);
  const next = plan.optimizer.step(owned, gradients, state.optimizer, {
    step: update,
    learningRate: rate,
    scale,
  });
  scale.dispose();
  return {
    state: {
      params: dataParallel.fromOptimizer(next.params),
      optimizer: next.state,
      step: state.step + 1,
      consumedSamples,
      lossScale: lossScaling
        ? nextLossScale(lossScaling, lossScale!, {
            samples: consumedSamples - state.consumedSamples,
            overflowed: !Number.isFinite(readScalar(gradientNorm)),
          })
        : undefined,
    },
    report: { loss, gradientNorm, learningRate: rate },
  };
}

/** Reads a scalar back. */
export const readScalar = (scalar: Tensor): number => scalar.dataSync()[0]!;

/** Nobody counts: then the loss is 0, and nothing is changed by a gradient. */
const MIN_WEIGHT = 2 ** -100;

/** From sums over tokens to means over those that count. Nothing is read back. Uses its arguments up. */
function perToken({ tensor, pipeline, clipNorm }: TrainingPlan, sums: Tensor, squares: Tensor) {
  const total = allReduceOver(squares, [tensor.group, pipeline.group]);
  const made = tidy(() => {
    const [nats, weight] = unstack(sums) as [Tensor, Tensor];
    const counted = maximum(weight, MIN_WEIGHT);
    const gradientNorm: Tensor = div(sqrt(total), counted);
    const scale = div(clipFactor(gradientNorm, clipNorm || Infinity), counted);
    return { loss: div<Tensor>(nats, counted), gradientNorm, scale };
  });
  for (const spent of [sums, total]) spent.dispose();
  return made;
}

/**
 * How much a token that counts weighs in the sums: `factor` over about as many tokens as a step has, so
 * that 16-bit gradients are of the size they have in a mean. A power of two, so that weights add up
 * exactly, in whatever order.
 */
const tokenWeight = ({ train }: TrainingPlan, { globalBatch }: BatchPlan, factor: number): number =>
  factor / 2 ** Math.ceil(Math.log2(globalBatch * train.length));

/**
 * Over all tokens of all ranks, weighed: the losses and the weights themselves [2], and this rank's share of
 * the losses' gradients.
 */
export function sumGradients(plan: TrainingPlan, state: TrainingState, factor: number) {
  const { dataParallel, tensor, pipeline } = plan;
  const batch = batchAfter(plan, state.consumedSamples);
  const reducer = dataParallel.createReducer(state.params);
  const own = runMicroBatches(plan, {
    state,
    batch,
    weight: tokenWeight(plan, batch, factor),
    collector: reducer,
  });
  const gradients = pipeline.complete(tensor.complete(reducer.finish()));
  return { sums: allReduceOver(own, [dataParallel.group, pipeline.group]), gradients };
}

/** The sum of x over the ranks of each of `groups`. Uses x up. */
const allReduceOver = (x: Tensor, groups: readonly ProcessGroup[]): Tensor =>
  groups.reduce((own, group) => {
    const total = group.allReduce(own).wait();
    own.dispose();
    return total;
  }, x);
