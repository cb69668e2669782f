// Training states from whole trees, as models and checkpoints are, and back.

import type { GptParams } from "@tessera/gpt";
import { disposeTree, mapTensors } from "@tessera/layers";
import { initialState, type OptimizerState } from "@tessera/optim";
import { partOf, shareOf, wholeOf } from "@tessera/tensor-parallel";
import type { TrainingPlan } from "./plan.js";
import type { TrainingState } from "./step.js";

/** Where training from `weights` starts, which are this tensor-parallel rank's. Uses them up. */
export function freshState(
  { sharing, optimizer }: TrainingPlan,
  weights: GptParams,
): TrainingState {
  const params = sharing.hold(weights);
  const owned = sharing.own(mapTensors(params, (leaf) => leaf.clone()));
  const state = initialState(optimizer, owned);
  disposeTree(owned);
  return { params, optimizer: state, step: 0, consumedSamples: 0 };
}

/** Weights and optimizer state as they are on one rank. */
export interface WholeState {
  readonly params: GptParams;
  readonly optimizer: OptimizerState<GptParams>;
}

type Counters = Omit<TrainingState, keyof WholeState>;

/** Where training goes on from a whole state, saved under whatever layout. Uses it up. */
export function resumedState(
  { sharing, tensor, model: { spec } }: TrainingPlan,
  { params, optimizer }: WholeState,
  counters: Counters,
): TrainingState {
  const held = (whole: GptParams): GptParams => sharing.hold(shareOf(whole, spec, partOf(tensor)));
  const owned = Object.fromEntries(
    Object.entries(optimizer).map(([slot, whole]) => [slot, sharing.own(held(whole))]),
  );
  return { ...counters, params: held(params), optimizer: owned };
}

/** The whole of `state`, on every rank; all of them call it. Borrows `state`; the caller owns the result. */
export function wholeState(
  { sharing, tensor, model: { spec } }: TrainingPlan,
  state: TrainingState,
): WholeState {
  const joined = (share: GptParams): GptParams => {
    const whole = wholeOf(share, spec, tensor.group);
    disposeTree(share);
    return whole;
  };
  return {
    params: joined(sharing.whole(state.params)),
    optimizer: Object.fromEntries(
      Object.entries(state.optimizer).map(([slot, owned]) => [slot, joined(sharing.gather(owned))]),
    ),
  };
}
