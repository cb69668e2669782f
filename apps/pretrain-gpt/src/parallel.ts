// How ranks share the work, as the flags say.

import { UserError } from "@tessera/config";
import { gpt, type GptConfig } from "@tessera/gpt";
import { leaves, type ParamSpec, type TreeOf } from "@tessera/params";
import type { Range } from "@tessera/mesh";
import {
  splitAsWritten,
  splitByCost,
  splitEvenly,
  type Costs,
  type ScheduleKind,
} from "@tessera/pipeline-parallel";
import type { ParallelConfig } from "@tessera/trainer";
import type { Flags } from "./flags.js";

/** @throws UserError where `ranks` or the layers cannot be divided so. */
export function parallelOf(flags: Flags, model: GptConfig, ranks: number): ParallelConfig {
  const tensor = flags["tensor-model-parallel-size"];
  const pipeline = flags["pipeline-model-parallel-size"];
  if (ranks % (tensor * pipeline) !== 0) {
    throw new UserError(
      `--tensor-model-parallel-size ${tensor} x --pipeline-model-parallel-size ${pipeline}: the job ` +
        `has ${ranks} ranks, which are no multiple of ${tensor * pipeline}`,
    );
  }
  if (flags["no-pipeline-parallel"] && pipeline > 1) {
    throw new UserError(
      `--no-pipeline-parallel: contradicts --pipeline-model-parallel-size ${pipeline}; drop one of them`,
    );
  }
  const chunks = chunksOf(flags, model);
  return {
    tensor,
    pipeline,
    sequence: sequenceParallelOf(flags),
    schedule: scheduleOf(flags, chunks),
    chunks,
    layers: layersOf(flags, model, pipeline * chunks),
    zeroStage: zeroStageOf(flags),
    sumOrder: flags["sum-order"],
  };
}

function chunksOf(flags: Flags, { layerCount }: GptConfig): number {
  const each = flags["num-layers-per-virtual-pipeline-stage"];
  if (each === undefined) return 1;
  const stages = flags["pipeline-model-parallel-size"];
  const chunks = layerCount / stages / each;
  if (stages === 1) {
    throw new UserError(
      `--num-layers-per-virtual-pipeline-stage ${each}: one stage has no others to take turns with; ` +
        "raise --pipeline-model-parallel-size, or drop it",
    );
  }
  if (Number.isInteger(chunks)) return chunks;
  throw new UserError(
    `--num-layers-per-virtual-pipeline-stage ${each}: ${layerCount} layers on ${stages} stages cannot ` +
      "be cut into chunks of so many",
  );
}

function scheduleOf(flags: Flags, chunks: number): ScheduleKind {
  const said = flags["pipeline-schedule"];
  const fits = chunks === 1 || said === undefined || said === "interleaved";
  if (fits) return said ?? (chunks > 1 ? "interleaved" : "1f1b");
  throw new UserError(
    `--pipeline-schedule ${said}: stages have ${chunks} chunks, which only interleaved runs`,
  );
}

/** On one tensor rank there is nobody to share tokens with. */
function sequenceParallelOf(flags: Flags): boolean {
  const tensor = flags["tensor-model-parallel-size"];
  const length = flags["seq-length"] ?? 0;
  if (!flags["sequence-parallel"] || tensor === 1) return false;
  if (length % tensor === 0) return true;
  throw new UserError(
    `--sequence-parallel: --seq-length ${length} cannot be sharded over ${tensor} tensor-parallel ranks; use a multiple of ${tensor}`,
  );
}

function layersOf(flags: Flags, model: GptConfig, parts: number): Range[] {
  const { layerCount } = model;
  const layout = flags["pipeline-layout"];
  if (layout === "even") return splitEvenly(layerCount, parts);
  if (layout === "parameters") return splitByCost(parametersOf(model), parts);
  if (layout === "operations") return splitByCost(operationsOf(model), parts);
  const counts = layout.split(",").map(Number);
  try {
    return splitAsWritten(counts, layerCount, parts);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`--pipeline-layout ${layout}: ${error.message}`);
  }
}

/** What layers and ends weigh, from the description of the model. */
function parametersOf(model: GptConfig): Costs {
  const { blocks, embedding, norm, head } = gpt(model).spec;
  const sizeOf = (tree: TreeOf<ParamSpec>): number =>
    leaves<ParamSpec>(tree).reduce((sum, [, { shape }]) => sum + shape.reduce((a, b) => a * b), 0);
  return {
    layers: Object.values(blocks).map(sizeOf),
    embedding: sizeOf(embedding),
    // The last stage has the table that makes logits, also where that is the embedding's.
    head:
      sizeOf(norm) +
      (model.tiedEmbeddings ? model.vocabularySize * model.hiddenSize : sizeOf(head)),
  };
}

/** Multiplications of a token, in units of width squared: what layers and head cost by count. */
function operationsOf({
  layerCount,
  hiddenSize,
  headCount,
  kvHeadCount,
  headSize,
  ffnHiddenSize,
  vocabularySize,
  activation,
}: GptConfig): Costs {
  const matrices = activation === "swiglu" ? 3 : 2;
  const attention = 2 * (headCount + kvHeadCount) * headSize;
  const layer = (attention + matrices * ffnHiddenSize) / hiddenSize;
  return {
    layers: Array<number>(layerCount).fill(layer),
    embedding: 0,
    head: vocabularySize / hiddenSize,
  };
}

function zeroStageOf(flags: Flags): 0 | 1 | 2 | 3 {
  const said = flags["zero-stage"] as 0 | 1 | 2 | 3 | undefined;
  if (said === 0 && flags["use-distributed-optimizer"]) {
    throw new UserError(
      "--use-distributed-optimizer is ZeRO 1, but --zero-stage is 0: drop one of them",
    );
  }
  return said ?? (flags["use-distributed-optimizer"] ? 1 : 0);
}
