// Training states: fresh ones, and what ranks hold of one together.

import { zeros, type Tensor } from "@tensorflow/tfjs-core";
import type { Quantity } from "@tessera/config/units";
import {
  disposeTree,
  filterTree,
  leaves,
  mapTensors,
  mapTree,
  shardSlice,
  type ParamSpec,
  type Tree,
} from "@tessera/params";
import {
  checkLayouts,
  hasSlot,
  initialState,
  type LossScale,
  type Optimizer,
  type OptimizerState,
} from "@tessera/optim";
import { isFirstRank } from "@tessera/parallel";
import type { TrainingPlan } from "./plan.js";

/** What training changes. */
export interface TrainingState<P extends Tree = Tree> {
  /** What this rank holds of the weights. */
  readonly params: P;
  /** What this rank's optimizer remembers. */
  readonly optimizer: OptimizerState;
  /** Steps taken, those skipped because of overflow among them. */
  readonly step: Quantity<"steps">;
  readonly consumedSamples: Quantity<"samples">;
  /** State of dynamic loss scaling; undefined before its first step, or without it. */
  readonly lossScale?: LossScale | undefined;
}

/**
 * The state that training starts in from `weights`, this rank's shard of them. Consumes them.
 * @throws UserError where the optimizer needs more of a parameter than this rank has.
 */
export const initialTrainingState = <P extends Tree>(
  plan: TrainingPlan<P>,
  weights: P,
): TrainingState<P> => initialOptimizerState(plan, plan.dataParallel.shardParams(weights));

/**
 * The same from `params`, which data parallelism has sharded already. Consumes them.
 * @throws UserError where the optimizer needs more of a parameter than this rank has.
 */
export function initialOptimizerState<P extends Tree>(
  { dataParallel, optimizer, model }: TrainingPlan<P>,
  params: P,
): TrainingState<P> {
  checkLayouts(optimizer, dataParallel.layouts, model.spec);
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
  readonly optimizer: OptimizerState;
}

/** The whole of `state`, on every rank; all of them call it. Borrows `state`; the caller owns the result. */
export const gatherFullState = <P extends Tree>(
  plan: TrainingPlan<P>,
  state: Pick<TrainingState<P>, keyof FullState>,
): FullState<P> =>
  gatherBy(plan, state, (own) => plan.axes.reduceRight((shard, axis) => axis.gather(shard), own));

/**
 * The whole of `state` on the first rank, and null on the others; all of them call it. Borrows `state`; the caller owns the
 * result.
 */
export function gatherOnFirstRank<P extends Tree>(
  plan: TrainingPlan<P>,
  state: Pick<TrainingState<P>, keyof FullState>,
): FullState<P> | null {
  const full = gatherBy(plan, state, (own) => {
    let shard = own;
    for (const axis of plan.axes.toReversed()) {
      shard = axis.gather(shard);
      if (axis.group.rank === 0) continue;
      // Whoever shares the other axes' groups with this rank is not the first one either.
      disposeTree(shard);
      return {};
    }
    return shard;
  });
  return isFirstRank(plan.axes) ? full : null;
}

function gatherBy<P extends Tree>(
  plan: TrainingPlan<P>,
  state: Pick<TrainingState<P>, keyof FullState>,
  gather: (own: Tree) => Tree,
): FullState<P> {
  const { dataParallel } = plan;
  return {
    // The axes know trees, of which all that they gather has one shape.
    params: gather(dataParallel.gatherParams(state.params)) as P,
    optimizer: Object.fromEntries(
      Object.entries(state.optimizer).map(([slot, shards]) => {
        const full = gather(fillSlot(plan, dataParallel.gatherFromOptimizer(shards)));
        return [slot, pickSlot(plan.optimizer, slot, full)];
      }),
    ),
  };
}

/** `own` with zeros for parameters without the slot, as axes gather trees of all of them. Consumes `own`. */
function fillSlot({ model: { spec }, weightShard }: TrainingPlan, own: Tree): Tree {
  const held = new Map(leaves<Tensor>(own));
  return mapTree(spec, (leaf: ParamSpec, path): Tensor => {
    const { size } = shardSlice(leaf, weightShard, path);
    return held.get(path) ?? zeros([...size]);
  });
}

/** The leaves of `full` that have the slot. Consumes `full`. */
function pickSlot(optimizer: Optimizer, slot: string, full: Tree): Tree {
  const isKept = (path: string): boolean =>
    !optimizer.slots.includes(slot) || hasSlot(optimizer, slot, path);
  for (const [path, leaf] of leaves<Tensor>(full)) if (!isKept(path)) leaf.dispose();
  return filterTree(full, isKept);
}
