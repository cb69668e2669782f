// Whether a state is worth saving. A step with a finite loss can destroy the weights, so the state itself is looked at.

import { mul, stack, sum, tidy, type Tensor } from "@tensorflow/tfjs-core";
import { RunError } from "@tessera/config";
import type { Feed } from "@tessera/data";
import { leaves, type Tree } from "@tessera/params";
import { anyRank, sampleShard } from "@tessera/parallel";
import { sumLosses } from "./evaluate.js";
import { batchAfter, type TrainingPlan } from "./plan.js";
import type { TrainingState } from "./state.js";

/** A loss so many times that of a run's first step is no longer training: Megatron's factor for spikes. */
const DIVERGED = 10;

/**
 * Checks that weights and optimizer state are finite, and that the weights give a loss that is finite and not far above
 * `firstLoss`. Called by all ranks, which read scalars alone and throw alike. Borrows `state`.
 * @throws RunError where they are not.
 */
export function checkState<P extends Tree>(
  plan: TrainingPlan<P>,
  state: TrainingState<P>,
  firstLoss: number | undefined,
): void {
  const refuse = (what: string): never => {
    throw new RunError(
      `step ${state.step}: ${what}; it is not saved: lower the learning rate, and go on from the last checkpoint`,
    );
  };
  for (const [name, tree] of Object.entries({ weights: state.params, ...state.optimizer })) {
    if (anyRank(plan.axes, !areFinite(tree))) refuse(`its ${name} are not finite`);
  }
  const evalBatch = batchAfter(plan, state.consumedSamples).microBatch;
  const samples = lastSamples(plan, state, evalBatch);
  const { nats, tokens } = sumLosses({ ...plan, evalBatch }, state.params, samples);
  if (tokens === 0) return; // all are masked
  const loss = nats / tokens;
  const limit = DIVERGED * Math.max(1, firstLoss ?? Infinity);
  if (!(loss <= limit)) {
    const began = firstLoss === undefined ? "" : `, and began with ${firstLoss.toPrecision(4)}`;
    refuse(`training has diverged: its loss is ${loss.toPrecision(4)}${began}`);
  }
}

/** A number that is not finite makes 0 times it NaN, and so the sum. One scalar is read. */
function areFinite(tree: Tree): boolean {
  const tensors = leaves<Tensor>(tree).map(([, leaf]) => leaf);
  if (tensors.length === 0) return true;
  const total = tidy(() => sum(stack(tensors.map((x) => tidy(() => sum(mul(x, 0)))))));
  const [value] = total.dataSync();
  total.dispose();
  return value === 0;
}

/** A microbatch of each rank, of those that the last step took: of a dataset's end there may be no next ones. */
function lastSamples(
  { train, axes }: TrainingPlan,
  { consumedSamples }: TrainingState,
  microBatch: number,
): Feed {
  const feed = train.direct ?? train;
  const count = Math.min(microBatch * sampleShard(axes).count, consumedSamples);
  return {
    count,
    length: feed.length,
    batch: (first, size) => feed.batch(consumedSamples - count + first, size),
  };
}
