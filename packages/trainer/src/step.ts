// One optimizer step: gradients summed over microbatches, clipped, and applied.

import { div, maximum, sqrt, tidy, unstack, type Tensor } from "@tensorflow/tfjs-core";
import type { BatchPlan } from "@tessera/config";
import { call, roundSum } from "@tessera/kernels";
import type { Tree } from "@tessera/params";
import { claim, type Placed } from "@tessera/params/placement";
import { clipFactor, initialLossScale, nextLossScale } from "@tessera/optim";
import { createSchedule } from "@tessera/optim/schedules";
import {
  allReduceOver,
  completeGradients,
  hasFirstReplica,
  sumMicrobatches,
} from "@tessera/parallel";
import { runMicroBatches } from "./microbatches.js";
import { batchAfter, type TrainingPlan } from "./plan.js";
import type { TrainingState } from "./state.js";

/** Result of a step; the scalars are the caller's, and are read back only when shown. */
export interface StepReport {
  readonly loss: Tensor;
  readonly gradientNorm: Tensor;
  readonly learningRate: number;
}

export interface StepResult<P extends Tree = Tree> {
  readonly state: TrainingState<P>;
  readonly report: StepReport;
}

/** Takes ownership of `state`. The loss is the mean over the batch, in nats per token. */
export function takeStep<P extends Tree>(
  plan: TrainingPlan<P>,
  state: TrainingState<P>,
): StepResult<P> {
  const { lossScaling, dataParallel } = plan;
  const batch = batchAfter(plan, state.consumedSamples);
  const lossScale = lossScaling && (state.lossScale ?? initialLossScale(lossScaling));
  const { sums, gradients } = sumGradients(plan, state, batch, lossScale?.scale ?? 1);
  const others = otherAxes(plan);
  const own = dataParallel.sumOfSquares(gradients, (path) => hasFirstReplica(others, path));
  const squares = allReduceOver(others, claim<"partial", "run">(own));
  const { loss, gradientNorm, scale } = perToken(plan, sums, squares);
  // Learning rate and Adam's bias correction count the steps that changed something.
  const update = state.step - (lossScale?.skippedSteps ?? 0) + 1;
  const consumedSamples = state.consumedSamples + batch.globalBatch;
  const rate = learningRateOf(plan, {
    steps: update - 1,
    samples: state.consumedSamples - (lossScale?.skippedSamples ?? 0),
  });
  const shards = dataParallel.toOptimizer(state.params);
  const next = plan.optimizer.step(shards, gradients, state.optimizer, {
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
            samples: batch.globalBatch,
            overflowed: !Number.isFinite(readScalar(gradientNorm)),
          })
        : undefined,
    },
    report: { loss, gradientNorm, learningRate: rate },
  };
}

/** The rate of the step that follows so many steps, or samples, that changed something: Megatron's rule. */
function learningRateOf(
  { schedule, scheduleUnit = "steps" }: TrainingPlan,
  done: Readonly<Record<"steps" | "samples", number>>,
): number {
  const rateAt = typeof schedule === "function" ? schedule : createSchedule(schedule);
  return rateAt(done[scheduleUnit]);
}

/** Reads a scalar back. */
export const readScalar = (scalar: Tensor): number => scalar.dataSync()[0]!;

/** The strategy sums squares over its own axis, as it knows who holds what there. */
const otherAxes = ({ axes, dataParallel }: TrainingPlan) =>
  axes.filter((axis) => axis !== dataParallel);

/** If every token is masked, divide by this instead of 0, so that loss and update are 0. */
const MIN_WEIGHT = 2 ** -100;

/**
 * From sums over tokens, and the exact sum of the squares of gradients, to means over tokens that count. Nothing is read
 * back. Consumes `sums` and `squares`.
 */
function perToken(
  plan: TrainingPlan,
  sums: Placed<"invariant", "run">,
  squares: Placed<"invariant", "run">,
) {
  const means = tidy(() => {
    const [nats, weight] = unstack(sums) as [Tensor, Tensor];
    const counted = maximum(weight, MIN_WEIGHT);
    const gradientNorm: Tensor = div(sqrt(call(roundSum, { sum: squares }, {}).total), counted);
    const scale = div(clipFactor(gradientNorm, plan.clipNorm || Infinity), counted);
    return { loss: div<Tensor>(nats, counted), gradientNorm, scale };
  });
  for (const spent of [sums, squares]) spent.dispose();
  return means;
}

/**
 * How much a token that counts weighs in the sums: `factor` over about as many tokens as a step has, so
 * that 16-bit gradients are of the size they have in a mean. A power of two, so that weights add up
 * exactly, in whatever order.
 */
const tokenWeight = ({ train }: TrainingPlan, { globalBatch }: BatchPlan, factor: number): number =>
  factor / 2 ** Math.ceil(Math.log2(globalBatch * train.length));

/**
 * Over all tokens of all ranks, weighted: the losses and the weights themselves [2], and the gradients of the
 * losses, of which this rank has its optimizer shards.
 */
export function sumGradients<P extends Tree>(
  plan: TrainingPlan<P>,
  state: TrainingState<P>,
  batch: BatchPlan,
  factor: number,
) {
  const reducer = plan.dataParallel.createReducer(state.params);
  const weight = tokenWeight(plan, batch, factor);
  const own = runMicroBatches(plan, { state, batch, weight, reducer });
  const gradients = completeGradients(plan.axes, reducer.finish());
  return { sums: sumMicrobatches(plan.axes, own), gradients };
}
