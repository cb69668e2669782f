// One optimizer step: gradients summed over micro-batches, clipped, and applied.

import {
  div,
  maximum,
  sqrt,
  stack,
  sum,
  tidy,
  unstack,
  zeros,
  type Tensor,
} from "@tensorflow/tfjs-core";
import type { GptParams } from "@tessera/gpt";
import { addOwned, type Step, type Tree } from "@tessera/layers";
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
  const { lossScaling, sharing, tensor } = plan;
  const lossScale = lossScaling && (state.lossScale ?? initialLossScale(lossScaling));
  const factor = lossScale?.scale ?? 1;
  const { sums, gradients } = sumGradients(plan, state, factor);
  const squares = sharing.squares(gradients, tensor.share);
  const { loss, gradientNorm, scale } = perToken(plan, sums, squares);
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

/** Nobody counts: then the loss is 0, and nothing is changed by a gradient. */
const LEAST_WEIGHT = 2 ** -100;

/** From sums over tokens to means over those that count. Nothing is read back. Uses its arguments up. */
function perToken({ tensor, clipNorm }: TrainingPlan, sums: Tensor, squares: Tensor) {
  const total = tensor.group.allReduce(squares).wait();
  const made = tidy(() => {
    const [nats, weight] = unstack(sums) as [Tensor, Tensor];
    const counted = maximum(weight, LEAST_WEIGHT);
    const gradientNorm: Tensor = div(sqrt(total), counted);
    const scale = div(clipFactor(gradientNorm, clipNorm || Infinity), counted);
    return { loss: div<Tensor>(nats, counted), gradientNorm, scale };
  });
  for (const spent of [sums, squares, total]) spent.dispose();
  return made;
}

/**
 * How much a token that counts weighs in the sums: `factor` over about as many tokens as a step has, so
 * that 16-bit gradients are of the size they have in a mean. A power of two, so that weights add up
 * exactly, in whatever order.
 */
const weightFor = ({ batch, train }: TrainingPlan, factor: number): number =>
  factor / 2 ** Math.ceil(Math.log2(batch.globalBatch * train.length));

/**
 * Over all tokens of all ranks, weighed: the losses and the weights themselves [2], and this rank's share of
 * the losses' gradients.
 */
export function sumGradients(
  plan: TrainingPlan,
  { params, step, consumedSamples }: TrainingState,
  factor: number,
) {
  const { microBatch, accumulation, globalBatch } = plan.batch;
  const { group } = plan.sharing;
  const { sink, take } = plan.sharing.collect(params);
  const weight = weightFor(plan, factor);
  let own: Tensor = zeros([2]);
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
    const batch = makeBatch(plan.train.batch(first, microBatch), weight);
    const nats = plan.model.lossAndGradients(params, batch, sink(micro === accumulation - 1), at);
    const more = tidy(() => stack([nats, sum(batch.targets.weights)]));
    nats.dispose();
    disposeBatch(batch);
    own = addOwned(own, more);
  }
  const gradients = plan.tensor.complete(take());
  const sums = group.allReduce(own).wait();
  own.dispose();
  return { sums, gradients };
}
