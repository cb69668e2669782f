// Training states in checkpoints: what a rank writes of one, and reads of one.

import { reshape, slice, tidy, type Tensor } from "@tensorflow/tfjs-core";
import {
  openCheckpoint,
  slotName,
  WEIGHTS,
  type Checkpoint,
  type TensorSource,
} from "@tessera/checkpoint";
import { UserError } from "@tessera/config";
import { hostMemory } from "@tessera/kernels/memory";
import {
  disposeTree,
  filterTree,
  leaves,
  splitRange,
  type ShardLayout,
  type FlatRange,
  type Tree,
} from "@tessera/params";
import type { Model } from "@tessera/model";
import { checkLayouts, hasSlot } from "@tessera/optim";
import { rankAmong } from "@tessera/parallel";
import { describeChanges } from "./identity.js";
import type { TrainingPlan } from "./plan.js";
import { initialOptimizerState, optimizerShards, type TrainingState } from "./state.js";

/** What a run takes of a checkpoint: all, so that it continues, or less, so that it starts from it. */
export type ResumedPart = "state" | "weights and progress" | "weights";

/**
 * The state that was saved in `folder`, under whatever layout, or the `part` of it with the rest fresh. This rank
 * checks its share of the files, and reads what it holds. `names`: what a user calls settings of the model.
 * @throws UserError where they are damaged, or of another model.
 */
export function resumeRun<P extends Tree>(
  plan: TrainingPlan<P>,
  folder: string,
  part: ResumedPart = "state",
  names: Readonly<Record<string, string>> = {},
): TrainingState<P> {
  const saved = openCheckpoint(folder);
  try {
    refuseOther(plan.model.model, saved, names);
    saved.verify(rankAmong(plan.axes));
    if (part === "state") return readState(saved, plan);
    const fresh = initialOptimizerState(plan, readWeights(saved, plan));
    if (part === "weights") return fresh;
    const { step, consumedSamples } = saved.progress;
    return { ...fresh, step, consumedSamples };
  } finally {
    saved.close();
  }
}

const readWeights = <P extends Tree>(saved: Checkpoint, { dataParallel }: TrainingPlan<P>): P =>
  dataParallel.fromOptimizer(saved.read(WEIGHTS, dataParallel.layouts));

function readState<P extends Tree>(saved: Checkpoint, plan: TrainingPlan<P>): TrainingState<P> {
  const { dataParallel, optimizer, model } = plan;
  const { layouts } = dataParallel;
  checkLayouts(optimizer, layouts, model.spec);
  const readSlot = (slot: string): Tree =>
    saved.read(
      slot,
      filterTree(layouts, (path) => hasSlot(optimizer, slot, path)),
    );
  const { step, consumedSamples, lossScale } = saved.progress;
  return {
    params: readWeights(saved, plan),
    optimizer: Object.fromEntries(optimizer.slots.map((slot) => [slot, readSlot(slot)])),
    step,
    consumedSamples,
    lossScale,
  };
}

/**
 * What this rank writes of `state`. Of what several ranks hold, each writes as much as the others, so that
 * all of it is written once. Borrows `state`; `use` is given what must be copied before it returns.
 */
export function withSources<R>(
  { dataParallel, axes }: TrainingPlan,
  state: TrainingState,
  use: (sources: readonly TensorSource[]) => R,
): R {
  const layouts = new Map(leaves<ShardLayout>(dataParallel.layouts));
  const weights = optimizerShards(dataParallel, state.params);
  const sources = Object.entries({ [WEIGHTS]: weights, ...state.optimizer }).flatMap(
    ([slot, tree]) =>
      leaves<Tensor>(tree).flatMap(([path, leaf]) =>
        layouts.get(path)!.ranges.flatMap((range) => {
          const own = axes.reduce<readonly FlatRange[]>(
            (ranges, axis) => ranges.flatMap((one) => splitRange(one, axis.replica(one.path))),
            [range],
          );
          return own.map((one) => sourceOf(slotName(slot, range.path), one, leaf));
        }),
      ),
  );
  const result = use(sources);
  disposeTree(weights);
  return result;
}

const sourceOf = (name: string, range: FlatRange, leaf: Tensor): TensorSource => ({
  name,
  range,
  copy(into) {
    const part =
      range.size === leaf.size
        ? leaf.clone()
        : tidy(() => slice(reshape(leaf, [leaf.size]), [range.tensorOffset], [range.size]));
    const host = hostMemory();
    if (host === null) into.set(part.dataSync<"float32">());
    else host.copyOut(part, into);
    part.dispose();
  },
});

/** @throws UserError where the saved model is another than this one. */
function refuseOther(
  { family, identity }: Model,
  { folder, family: savedFamily, config }: Checkpoint,
  names: Readonly<Record<string, string>>,
): void {
  if (savedFamily !== family.name) {
    throw new UserError(
      `${folder}: holds a model of the family ${savedFamily}, this run trains one of ${family.name}`,
    );
  }
  const saved = family.fromConfig(config, folder).identity;
  const changed = Object.keys(identity).filter((name) => saved[name] !== identity[name]);
  if (changed.length === 0) return;
  throw new UserError(
    `${folder}: ${describeChanges(changed, saved, identity, names)}; a checkpoint's model cannot be changed`,
  );
}
