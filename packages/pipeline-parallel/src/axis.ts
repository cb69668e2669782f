// What the stages of a pipeline do together, beside passing activations on.

import { zeros, type Tensor } from "@tensorflow/tfjs-core";
import { singleGroup, type ProcessGroup } from "@tessera/collectives";
import {
  leafAt,
  leaves,
  mapTensors,
  type ParamSpec,
  type Tree,
  type TreeOf,
} from "@tessera/layers";
import { UNSHARDED, type ShardIndex } from "@tessera/mesh";
import type { PipelineSchedule } from "./action.js";
import { createSchedules, type ScheduleKind } from "./schedules.js";

export interface PipelineAxis {
  /** The stages, in order; this one is its rank. */
  readonly group: ProcessGroup;
  /** What this stage does in a step of so many micro-batches. */
  readonly schedule: (microbatches: number) => PipelineSchedule;
  /** Of parameters that both ends hold, the sums of their gradients. Uses them up. */
  readonly complete: (gradients: Tree) => Tree;
  /** Which of the copies of the leaf at `path` this stage has. */
  readonly copy: (path: string) => ShardIndex;
  /** The parameters of all stages, or what is shaped like them, on every stage, by path. Uses up this one's. */
  readonly join: (own: Tree) => ReadonlyMap<string, Tensor>;
}

const memoizeSchedules = (kind: ScheduleKind, stages: number, chunks: number) => {
  const known = new Map<number, readonly PipelineSchedule[]>();
  return (microbatches: number): readonly PipelineSchedule[] => {
    const found =
      known.get(microbatches) ?? createSchedules(kind, { stages, microbatches, chunks });
    known.set(microbatches, found);
    return found;
  };
};

/** One stage that holds everything. */
export function oneStage(): PipelineAxis {
  const schedules = memoizeSchedules("1f1b", 1, 1);
  return {
    group: singleGroup(0, "pipeline"),
    schedule: (microbatches) => schedules(microbatches)[0]!,
    complete: (gradients) => gradients,
    copy: () => UNSHARDED,
    join: (own) => new Map(leaves<Tensor>(own)),
  };
}

export interface PipelineOptions {
  readonly kind: ScheduleKind;
  /** Parts of the model on each stage. */
  readonly chunks: number;
  readonly group: ProcessGroup;
  /** The first and the last stage, on those; null on the others. */
  readonly endsGroup: ProcessGroup | null;
  /** Of the parameters of each stage. */
  readonly specs: readonly TreeOf<ParamSpec>[];
}

export function pipelineAxis({
  kind,
  chunks,
  group,
  endsGroup,
  specs,
}: PipelineOptions): PipelineAxis {
  const schedules = memoizeSchedules(kind, group.size, chunks);
  const own = specs[group.rank]!;
  const isShared = (path: string): boolean =>
    leafAt<ParamSpec>(own, path)?.isTiedAcrossStages === true;
  return {
    group,
    schedule: (microbatches) => schedules(microbatches)[group.rank]!,
    copy: (path) => (isShared(path) ? { index: group.rank === 0 ? 0 : 1, count: 2 } : UNSHARDED),
    complete: (gradients) =>
      mapTensors(gradients, (leaf, path) => {
        if (!isShared(path) || endsGroup === null) return leaf;
        const sum = endsGroup.allReduce(leaf).wait();
        leaf.dispose();
        return sum;
      }),
    join: (tree) => gatherStages(tree, specs, group),
  };
}

/** The leaves of all stages, by path. Uses up `own`. */
function gatherStages(
  own: Tree,
  specs: readonly TreeOf<ParamSpec>[],
  group: ProcessGroup,
): ReadonlyMap<string, Tensor> {
  const held = new Map(leaves<Tensor>(own));
  const all = new Map<string, Tensor>();
  specs.forEach((spec, stage) => {
    for (const [path, { shape }] of leaves<ParamSpec>(spec)) {
      if (all.has(path)) continue; // both ends hold the same
      const said = stage === group.rank ? held.get(path)!.clone() : zeros([...shape]);
      all.set(path, group.broadcast(said, stage).wait());
      said.dispose();
    }
  });
  for (const leaf of held.values()) leaf.dispose();
  return all;
}
