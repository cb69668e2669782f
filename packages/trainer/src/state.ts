// Training states from whole trees, as models and checkpoints are, and back.

import type { Tensor } from "@tensorflow/tfjs-core";
import { gpt, type GptParams } from "@tessera/gpt";
import { disposeTree, leafAt, mapTensors, mapTree, type ParamSpec } from "@tessera/layers";
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
  const held = (whole: GptParams): GptParams =>
    sharing.hold(shareOf(ofStage(whole, spec), spec, partOf(tensor)));
  const owned = Object.fromEntries(
    Object.entries(optimizer).map(([slot, whole]) => [slot, sharing.own(held(whole))]),
  );
  return { ...counters, params: held(params), optimizer: owned };
}

/** The whole of `state`, on every rank; all of them call it. Borrows `state`; the caller owns the result. */
export function wholeState(
  { sharing, tensor, pipeline, model: { spec, config } }: TrainingPlan,
  state: TrainingState,
): WholeState {
  const { spec: wholeSpec } = gpt(config);
  const joined = (share: GptParams): GptParams => {
    const ofStage = wholeOf(share, spec, tensor.group);
    disposeTree(share);
    const leaves = pipeline.join(ofStage);
    return mapTree(wholeSpec, (_leaf: ParamSpec, path): Tensor => leaves.get(path)!);
  };
  return {
    params: joined(sharing.whole(state.params)),
    optimizer: Object.fromEntries(
      Object.entries(state.optimizer).map(([slot, owned]) => [slot, joined(sharing.gather(owned))]),
    ),
  };
}

type Spec = TrainingPlan["model"]["spec"];

/** Those parameters of a whole model that a stage has. Uses up `whole`. */
function ofStage(whole: GptParams, spec: Spec): GptParams {
  const held = mapTree(spec, (_leaf: ParamSpec, path): Tensor => {
    return leafAt<Tensor>(whole, path)!.clone();
  });
  disposeTree(whole);
  return held;
}
