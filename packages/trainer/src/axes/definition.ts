// How a parallel axis joins a run: its name and degree on the mesh, what it changes about how the model is built,
// and the axis itself once the model's stages are known.

import type { ProcessGroup, World } from "@tessera/collectives";
import type { Tree } from "@tessera/params";
import type { Mesh } from "@tessera/mesh";
import type { ModelOptions, ModelStage } from "@tessera/model";
import type { ParallelAxis } from "@tessera/parallel";

/** What an axis is created from. */
export interface AxisContext<P extends Tree = Tree> {
  readonly world: World;
  readonly mesh: Mesh;
  /** The ranks along this axis. */
  readonly group: ProcessGroup;
  /** What this rank holds of the model. */
  readonly stage: ModelStage<P>;
  /** The same of every pipeline stage, in order. */
  readonly stages: readonly ModelStage<P>[];
}

/** A parallel axis before its groups exist: its size, how it changes the model, and what it does in a step. */
export interface AxisDefinition<P extends Tree = Tree, A extends ParallelAxis = ParallelAxis> {
  readonly name: string;
  /** How many ranks it spans. */
  readonly degree: number;
  /** How the model is built along this axis. Axes within it have had their turn. Default: no change. */
  wrap?(options: ModelOptions, group: ProcessGroup): ModelOptions;
  create(context: AxisContext<P>): A;
}
