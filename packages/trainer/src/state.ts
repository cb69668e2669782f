// Training states: fresh ones, and what ranks hold of one together.

import { disposeTree, mapTensors, type Tree } from "@tessera/layers";
import { initialState, type LossScale, type OptimizerState } from "@tessera/optim";
import type { TrainingPlan } from "./plan.js";

/** What training changes. */
export interface TrainingState<P extends Tree = Tree> {
  /** What this rank holds of the weights. */
  readonly params: P;
  /** What this rank's optimizer remembers. */
  readonly optimizer: OptimizerState<Tree>;
  /** Steps taken, those skipped because of overflow among them. */
  readonly step: number;
  readonly consumedSamples: number;
  /** State of dynamic loss scaling; undefined before its first step, or without it. */
  readonly lossScale?: LossScale | undefined;
}

/** The state that training starts in from `weights`, this rank's shard of them. Consumes them. */
export function initialTrainingState<P extends Tree>(
  { dataParallel, optimizer }: TrainingPlan<P>,
  weights: P,
): TrainingState<P> {
  const params = dataParallel.shardParams(weights);
  const shards = optimizerShards(dataParallel, params);
  const state = initialState(optimizer, shards);
  disposeTree(shards);
  return { params, optimizer: state, step: 0, consumedSamples: 0 };
}

/** What this rank's optimizer updates of the weights that it holds. Borrows them. */
export const optimizerShards = <P extends Tree>(
  dataParallel: TrainingPlan<P>["dataParallel"],
  local: P,
): Tree => dataParallel.toOptimizer(mapTensors(local, (leaf) => leaf.clone()));

/** Weights and optimizer state as they are on one rank. */
export interface FullState<P extends Tree = Tree> {
  readonly params: P;
  readonly optimizer: OptimizerState<P>;
}

/** The whole of `state`, on every rank; all of them call it. Borrows `state`; the caller owns the result. */
export function gatherFullState<P extends Tree>(
  { dataParallel, axes }: TrainingPlan<P>,
  state: Pick<TrainingState<P>, keyof FullState>,
): FullState<P> {
  // The axes know trees, of which all that they gather has one shape.
  const gather = (shard: P): P =>
    axes.reduceRight<Tree>((own, axis) => axis.gather(own), shard) as P;
  return {
    params: gather(dataParallel.gatherParams(state.params)),
    optimizer: Object.fromEntries(
      Object.entries(state.optimizer).map(([slot, shards]) => [
        slot,
        gather(dataParallel.gatherFromOptimizer(shards)),
      ]),
    ),
  };
}
