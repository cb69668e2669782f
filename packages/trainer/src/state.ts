// Training states from whole trees, as models and checkpoints are, and back.

import type { GptParams } from "@tessera/gpt";
import { disposeTree, mapTensors } from "@tessera/layers";
import { initialState, type OptimizerState } from "@tessera/optim";
import type { TrainingPlan } from "./plan.js";
import type { TrainingState } from "./step.js";

/** Where training from `whole` weights starts. Uses them up. */
export function freshState({ sharing, optimizer }: TrainingPlan, whole: GptParams): TrainingState {
  const params = sharing.hold(whole);
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
  { sharing }: TrainingPlan,
  { params, optimizer }: WholeState,
  counters: Counters,
): TrainingState {
  const owned = Object.fromEntries(
    Object.entries(optimizer).map(([slot, whole]) => [slot, sharing.own(sharing.hold(whole))]),
  );
  return { ...counters, params: sharing.hold(params), optimizer: owned };
}

/** The whole of `state`, on every rank; all of them call it. Borrows `state`; the caller owns the result. */
export const wholeState = ({ sharing }: TrainingPlan, state: TrainingState): WholeState => ({
  params: sharing.whole(state.params),
  optimizer: Object.fromEntries(
    Object.entries(state.optimizer).map(([slot, owned]) => [slot, sharing.gather(owned)]),
  ),
});
