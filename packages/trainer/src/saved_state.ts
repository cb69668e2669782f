// Training states in checkpoints: what a rank writes of one, and reads of one.

import { reshape, slice, tidy, type Tensor } from "@tensorflow/tfjs-core";
import {
  openCheckpoint,
  slotName,
  WEIGHTS,
  type SavedCheckpoint,
  type Source,
} from "@tessera/checkpoint";
import { UserError } from "@tessera/config";
import type { GptConfig } from "@tessera/gpt";
import { hostMemory } from "@tessera/kernels";
import {
  disposeTree,
  leaves,
  splitRange,
  type ShardLayout,
  type FlatRange,
  type Tree,
} from "@tessera/layers";
import type { ShardIndex } from "@tessera/mesh";
import type { TrainingPlan } from "./plan.js";
import { optimizerShards } from "./state.js";
import type { TrainingState } from "./step.js";

/** What two runs must share so that one can continue the other, by name. */
export type Identity = Readonly<Record<string, string | number>>;

/**
 * Where the run that was saved in `folder` goes on, whatever layout it had. This rank checks a part of the
 * files, and reads what it owns. Throws a UserError where they are damaged, or this run is another.
 */
export function resumeRun(plan: TrainingPlan, folder: string, identity: Identity): TrainingState {
  const saved = openCheckpoint(folder);
  try {
    refuseOther({ ...sizesOf(plan.model.config), ...identity }, saved);
    saved.check(partOfAll(plan));
    return stateIn(saved, plan);
  } finally {
    saved.close();
  }
}

function stateIn(saved: SavedCheckpoint, { dataParallel, optimizer }: TrainingPlan): TrainingState {
  const read = (slot: string): Tree => saved.read(slot, dataParallel.layouts);
  const { step, consumedSamples, lossScale } = saved.progress;
  return {
    params: dataParallel.fromOptimizer(read(WEIGHTS)),
    optimizer: Object.fromEntries(optimizer.slots.map((slot) => [slot, read(slot)])),
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
  { dataParallel, tensor, pipeline }: TrainingPlan,
  state: TrainingState,
  use: (sources: readonly Source[]) => R,
): R {
  const layouts = new Map(leaves<ShardLayout>(dataParallel.layouts));
  const copies = (path: string) => [dataParallel.replica, tensor.copy(path), pipeline.copy(path)];
  const weights = optimizerShards(dataParallel, state.params);
  const sources = Object.entries({ [WEIGHTS]: weights, ...state.optimizer }).flatMap(
    ([slot, tree]) =>
      leaves<Tensor>(tree).flatMap(([path, leaf]) =>
        layouts.get(path)!.ranges.flatMap((range) => {
          const own = copies(range.path).reduce<readonly FlatRange[]>(
            (ranges, copy) => ranges.flatMap((one) => splitRange(one, copy)),
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

const sourceOf = (name: string, range: FlatRange, leaf: Tensor): Source => ({
  name,
  piece: range,
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

/** This rank among all. */
const partOfAll = ({ dataParallel, tensor, pipeline }: TrainingPlan): ShardIndex =>
  [pipeline, dataParallel, tensor].reduce(
    ({ index, count }, { group: { rank, size } }) => ({
      index: index * size + rank,
      count: count * size,
    }),
    { index: 0, count: 1 },
  );

function refuseOther(run: Identity, { folder, config, progress }: SavedCheckpoint): void {
  const saved: Identity = { ...sizesOf(config), ...progress.identity };
  for (const [name, value] of Object.entries(run)) {
    if (saved[name] !== value) {
      throw new UserError(
        `${folder}: was trained with ${name} ${saved[name]}, this run has ${value}`,
      );
    }
  }
}

/** What says which tensors a model has, and what it makes of them. */
const sizesOf = ({ dropout: _dropout, ...sizes }: GptConfig): Identity =>
  Object.fromEntries(
    Object.entries(sizes).flatMap(([name, value]) =>
      typeof value === "object"
        ? Object.entries(value).map(([key, part]) => [`${name}.${key}`, String(part)])
        : [[name, String(value)]],
    ),
  );
