// What the stages of a pipeline do together, beside passing activations on.

import { zeros, type Tensor } from "@tensorflow/tfjs-core";
import type { ProcessGroup } from "@tessera/collectives";
import {
  leafAt,
  leaves,
  mapTensors,
  mapTree,
  mergeTrees,
  type ParamSpec,
  type Tree,
  type TreeOf,
} from "@tessera/params";
import { UNSHARDED } from "@tessera/mesh";
import type { ParallelAxis } from "@tessera/parallel";
import type { PipelineSchedule } from "./action.js";
import { createSchedules, type ScheduleKind } from "./schedules.js";

/** The stages, in order: this one's rank is its group's. */
export interface PipelineAxis extends ParallelAxis {
  /** What this stage does in a step of so many microbatches. */
  schedule(microbatches: number): PipelineSchedule;
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

export interface PipelineOptions {
  readonly kind: ScheduleKind;
  /** Chunks of the model on each stage. */
  readonly chunks: number;
  readonly group: ProcessGroup;
  /** The first and the last stage, on those; null on the others. */
  readonly endsGroup: ProcessGroup | null;
  /** Of the parameters of each stage. */
  readonly specs: readonly TreeOf<ParamSpec>[];
}

export function pipelineAxis(options: PipelineOptions): PipelineAxis {
  const { kind, chunks, group, endsGroup, specs } = options;
  const schedules = memoizeSchedules(kind, group.size, chunks);
  const own = specs[group.rank]!;
  const isTied = (path: string): boolean =>
    leafAt<ParamSpec>(own, path)?.isTiedAcrossStages === true;
  return {
    name: "pipeline",
    group,
    batch: "terms",
    schedule: (microbatches) => schedules(microbatches)[group.rank]!,
    replica: (path) => (isTied(path) ? { index: group.rank === 0 ? 0 : 1, count: 2 } : UNSHARDED),
    completeGradients(gradients) {
      if (endsGroup === null) return gradients;
      return mapTensors(gradients, (leaf, path) => {
        if (!isTied(path)) return leaf;
        const sum = endsGroup.allReduce(leaf).wait();
        leaf.dispose();
        return sum;
      });
    },
    gather: (shard) => (group.size === 1 ? shard : gatherStages(shard, specs, group)),
  };
}

/** The parameters of all stages, as `specs` describe them, on every stage. Consumes `own`. */
function gatherStages(own: Tree, specs: readonly TreeOf<ParamSpec>[], group: ProcessGroup): Tree {
  const held = new Map(leaves<Tensor>(own));
  const all = new Map<string, Tensor>();
  specs.forEach((spec, stage) => {
    for (const [path, { shape }] of leaves<ParamSpec>(spec)) {
      if (all.has(path)) continue; // both ends hold the same
      const sent = stage === group.rank ? held.get(path)!.clone() : zeros([...shape]);
      all.set(path, group.broadcast(sent, stage).wait());
      sent.dispose();
    }
  });
  for (const leaf of held.values()) leaf.dispose();
  return specs
    .map((spec): Tree => mapTree(spec, (_leaf: ParamSpec, path) => all.get(path)!))
    .reduce(mergeTrees);
}
