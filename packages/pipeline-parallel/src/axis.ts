// The pipeline axis: schedules, gradients of tied parameters, and parameters of all stages.

import { zeros, type Tensor } from "@tensorflow/tfjs-core";
import type { ProcessGroup } from "@tessera/collectives";
import {
  leafAt,
  leaves,
  mapTree,
  mergeTrees,
  type ParamSpec,
  type Tree,
  type TreeOf,
} from "@tessera/params";
import { UNSHARDED } from "@tessera/mesh";
import { claim, type Placed } from "@tessera/params/placement";
import { alreadyComplete, conversions, type ParallelAxis } from "@tessera/parallel";
import type { PipelineSchedule } from "./action.js";
import { createSchedules, type ScheduleKind } from "./schedules.js";

/** The ranks of its group are the stages, in order. */
export interface PipelineAxis extends ParallelAxis {
  /** This stage's schedule for a step of `microbatches`. */
  schedule(microbatches: number): PipelineSchedule;
}

const memoizeSchedules = (kind: ScheduleKind, stages: number, chunks: number) => {
  const cache = new Map<number, readonly PipelineSchedule[]>();
  return (microbatches: number): readonly PipelineSchedule[] => {
    const schedules =
      cache.get(microbatches) ?? createSchedules(kind, { stages, microbatches, chunks });
    cache.set(microbatches, schedules);
    return schedules;
  };
};

/** The pipeline, seen from one of its stages. */
export interface PipelineOptions {
  readonly kind: ScheduleKind;
  /** Model chunks on each stage. */
  readonly chunks: number;
  readonly group: ProcessGroup;
  /** The group of the first and the last stage, on those; null on others. */
  readonly endsGroup: ProcessGroup | null;
  /** Parameter specs of each stage. */
  readonly specs: readonly TreeOf<ParamSpec>[];
}

/** The axis of pipeline stages. A parameter that both ends hold has `isTiedAcrossStages` in its spec. */
export function pipelineAxis(options: PipelineOptions): PipelineAxis {
  const { kind, chunks, group, endsGroup, specs } = options;
  const schedules = memoizeSchedules(kind, group.size, chunks);
  const localSpec = specs[group.rank]!;
  const isTied = (path: string): boolean =>
    leafAt<ParamSpec>(localSpec, path)?.isTiedAcrossStages === true;
  return {
    name: "pipeline",
    group,
    batch: "terms",
    schedule: (microbatches) => schedules(microbatches)[group.rank]!,
    replica: (path) => (isTied(path) ? { index: group.rank === 0 ? 0 : 1, count: 2 } : UNSHARDED),
    completeGradients(gradients) {
      if (endsGroup === null) return alreadyComplete(gradients);
      const convert = conversions<"this">(endsGroup);
      return mapTree(gradients, (leaf: Tensor, path): Placed<"invariant", "this"> => {
        if (!isTied(path)) return claim(leaf);
        const term = claim<"partial", "this">(leaf);
        const sum = convert.allReduce(term).wait();
        leaf.dispose();
        return sum;
      });
    },
    gather: (shard) => (group.size === 1 ? shard : gatherStages(shard, specs, group)),
  };
}

/** The parameters of all stages, on every stage. Consumes `local`. */
function gatherStages(local: Tree, specs: readonly TreeOf<ParamSpec>[], group: ProcessGroup): Tree {
  const localByPath = new Map(leaves<Tensor>(local));
  const all = new Map<string, Tensor>();
  specs.forEach((spec, stage) => {
    for (const [path, { shape }] of leaves<ParamSpec>(spec)) {
      if (all.has(path)) continue; // tied: the first stage has sent it
      const x = stage === group.rank ? localByPath.get(path)!.clone() : zeros([...shape]);
      all.set(path, group.broadcast(x, stage).wait());
      x.dispose();
    }
  });
  for (const leaf of localByPath.values()) leaf.dispose();
  return specs
    .map((spec): Tree => mapTree(spec, (_leaf: ParamSpec, path) => all.get(path)!))
    .reduce(mergeTrees);
}
