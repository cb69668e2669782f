// Pipeline parallelism: stages of consecutive layers, which pass activations on.

import type { ProcessGroup, World } from "@tessera/collectives";
import type { Tree } from "@tessera/params";
import { coordinates, rankAt, type Mesh } from "@tessera/mesh";
import { pipelineAxis, type PipelineAxis } from "@tessera/pipeline-parallel";
import type { ResolvedParallel } from "../parallel_config.js";
import type { AxisDefinition } from "./definition.js";

const NAME = "pipeline";

export const pipelineDefinition = <P extends Tree>({
  pipeline: degree,
  schedule: kind,
  chunks,
}: ResolvedParallel): AxisDefinition<P, PipelineAxis> => ({
  name: NAME,
  degree,
  create: ({ world, mesh, group, stages }) =>
    pipelineAxis({
      kind,
      chunks,
      group,
      endsGroup: group.size === 1 ? null : endsOf(world, mesh, group.size),
      specs: stages.map(({ spec }) => spec),
    }),
});

/** The group of the first and the last stage, on these; null on the others. */
function endsOf(world: World, mesh: Mesh, stages: number): ProcessGroup | null {
  const at = coordinates(mesh, world.rank);
  const ends = [0, stages - 1];
  if (!ends.includes(at[NAME]!)) return null;
  const ranks = ends.map((stage) => rankAt(mesh, { ...at, [NAME]: stage }));
  return world.group("both ends of the pipeline", ranks);
}
