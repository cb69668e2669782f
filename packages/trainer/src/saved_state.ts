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
import type { TrainingPlan } from "./plan.js";
import { optimizerShards, type TrainingState } from "./state.js";

/** What a run must share with one that continues it, by name. */
export type Identity = Readonly<Record<string, string | number>>;

/**
 * The state that was saved in `folder`, under whatever layout. This rank checks its share of the files, and reads
 * what it holds.
 * @throws UserError where they are damaged, or this run is another.
 */
export function resumeRun<P extends Tree>(
  plan: TrainingPlan<P>,
  folder: string,
  identity: Identity,
): TrainingState<P> {
  const saved = openCheckpoint(folder);
  try {
    refuseOther(plan.model.model, identity, saved);
    saved.verify(rankAmong(plan.axes));
    return readState(saved, plan);
  } finally {
    saved.close();
  }
}

function readState<P extends Tree>(
  saved: Checkpoint,
  { dataParallel, optimizer, model }: TrainingPlan<P>,
): TrainingState<P> {
  const { layouts } = dataParallel;
  checkLayouts(optimizer, layouts, model.spec);
  const readSlot = (slot: string): Tree =>
    saved.read(
      slot,
      filterTree(layouts, (path) => hasSlot(optimizer, slot, path)),
    );
  const { step, consumedSamples, lossScale } = saved.progress;
  return {
    params: dataParallel.fromOptimizer(saved.read(WEIGHTS, layouts)),
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

/** @throws UserError where the saved model or run is another than this one. */
function refuseOther(
  { family, ...model }: Model,
  run: Identity,
  { folder, family: savedFamily, config, progress }: Checkpoint,
): void {
  if (savedFamily !== family.name) {
    throw new UserError(
      `${folder}: holds a model of the family ${savedFamily}, this run trains one of ${family.name}`,
    );
  }
  const saved: Identity = { ...family.fromConfig(config, folder).identity, ...progress.identity };
  for (const [name, value] of Object.entries({ ...model.identity, ...run })) {
    if (saved[name] !== value) {
      throw new UserError(
        `${folder}: was trained with ${name} ${saved[name]}, this run has ${value}`,
      );
    }
  }
}
