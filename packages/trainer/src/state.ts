// Training states: fresh ones, and what ranks hold of one together.

import type { Tensor } from "@tensorflow/tfjs-core";
import { gpt, type GptParams } from "@tessera/gpt";
import { disposeTree, mapTensors, mapTree, type ParamSpec, type Tree } from "@tessera/layers";
import { initialState, type OptimizerState } from "@tessera/optim";
import { unshardParams } from "@tessera/tensor-parallel";
import type { TrainingPlan } from "./plan.js";
import type { TrainingState } from "./step.js";

/** Where training from `weights` starts, which are this tensor-parallel rank's. Uses them up. */
export function initialTrainingState(
  { dataParallel, optimizer }: TrainingPlan,
  weights: GptParams,
): TrainingState {
  const params = dataParallel.shardParams(weights);
  const owned = optimizerShards(dataParallel, params);
  const state = initialState(optimizer, owned);
  disposeTree(owned);
  return { params, optimizer: state, step: 0, consumedSamples: 0 };
}

/** What this rank owns of the weights that it holds. Borrows them. */
export const optimizerShards = (
  dataParallel: TrainingPlan["dataParallel"],
  held: GptParams,
): Tree => dataParallel.toOptimizer(mapTensors(held, (leaf) => leaf.clone()));

/** Weights and optimizer state as they are on one rank. */
export interface FullState {
  readonly params: GptParams;
  readonly optimizer: OptimizerState<GptParams>;
}

/** The whole of `state`, on every rank; all of them call it. Borrows `state`; the caller owns the result. */
export function gatherFullState(
  { dataParallel, tensor, pipeline, model: { spec, config } }: TrainingPlan,
  state: Pick<TrainingState, keyof FullState>,
): FullState {
  const { spec: wholeSpec } = gpt(config);
  const joined = (share: GptParams): GptParams => {
    const ofStage = unshardParams(share, spec, tensor.group);
    disposeTree(share);
    const all = pipeline.join(ofStage);
    return mapTree(wholeSpec, (_leaf: ParamSpec, path): Tensor => all.get(path)!);
  };
  return {
    params: joined(dataParallel.gatherParams(state.params)),
    optimizer: Object.fromEntries(
      Object.entries(state.optimizer).map(([slot, owned]) => [
        slot,
        joined(dataParallel.gatherFromOptimizer(owned)),
      ]),
    ),
  };
}
