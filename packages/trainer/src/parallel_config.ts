// How ranks divide a run.

import { UserError } from "@tessera/config";
import type { SumOrder } from "@tessera/data-parallel";
import type { Quantity } from "@tessera/config/units";
import type { Range } from "@tessera/mesh";
import { splitEvenly, type ScheduleKind } from "@tessera/pipeline-parallel";
import type { AxisDefinition } from "./axes/definition.js";

/** What data-parallel ranks shard: 0 nothing, 1 the optimizer's state, 2 gradients too, 3 weights too. */
export type ZeroStage = 0 | 1 | 2 | 3;

/** How a run is laid out over its ranks. What the degrees leave over is data-parallel. */
export interface ParallelConfig {
  /** Ranks that share each layer's matrices. Default: 1. */
  readonly tensor?: number;
  /** Whether they share the tokens between those matrices too. Default: false. */
  readonly sequence?: boolean;
  /** Pipeline stages. Default: 1. */
  readonly pipeline?: number;
  /** Chunks of the model on each stage (virtual stages). Default: 1. */
  readonly chunks?: number;
  /** Default: `interleaved` with several chunks, else `1f1b`. */
  readonly schedule?: ScheduleKind;
  /** The layers of each chunk: chunk c of stage s is number c x stages + s. Default: as even as can be. */
  readonly layers?: readonly Range[];
  /**
   * What data-parallel ranks shard, who are all that tensor and pipeline leave: 1 optimizer state, 2 gradients
   * too, 3 weights too. Default: 0.
   */
  readonly zeroStage?: ZeroStage;
  /**
   * In which order gradients are added: `fixed`, in that of the global batch, so that losses and weights have the same
   * bits under any data layout; `free`, as is fastest. Default: fixed.
   */
  readonly sumOrder?: SumOrder;
  /** Gradients smaller than this are reduced together. Default: 1 MiB. */
  readonly bucketBytes?: Quantity<"bytes">;
  /** Axes of your own, outermost first. On the mesh they lie between data and tensor. Default: none. */
  readonly axes?: readonly AxisDefinition[];
}

/** The same with every default filled in, for a number of ranks. */
export interface ResolvedParallel extends Required<Omit<ParallelConfig, "bucketBytes">> {
  /** Ranks that see different samples. */
  readonly data: number;
  readonly bucketBytes?: Quantity<"bytes">;
}

/**
 * The layout of a run over `ranks`, with its defaults filled in.
 * @throws UserError where the degrees do not make `ranks`.
 */
export function resolveParallel(
  config: ParallelConfig,
  ranks: number,
  layerCount: number,
): ResolvedParallel {
  const { tensor = 1, pipeline = 1, chunks = 1, axes = [] } = config;
  const own = axes.reduce((product, { degree }) => product * degree, tensor * pipeline);
  if (ranks % own !== 0) {
    const named = [
      ...axes,
      { name: "tensor", degree: tensor },
      { name: "pipeline", degree: pipeline },
    ];
    const product = named.map(({ name, degree }) => `${name} ${degree}`).join(" x ");
    throw new UserError(`${product}: the job has ${ranks} ranks, which is no multiple of ${own}`);
  }
  return {
    sequence: false,
    zeroStage: 0,
    sumOrder: "fixed",
    schedule: chunks > 1 ? "interleaved" : "1f1b",
    layers: splitEvenly(layerCount, pipeline * chunks),
    ...config,
    tensor,
    pipeline,
    chunks,
    axes,
    data: ranks / own,
  };
}
