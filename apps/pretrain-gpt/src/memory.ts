// What a rank's tensors are expected to take, by kind, from the configuration alone.

import { rankMemory } from "@tessera/data-parallel";
import {
  headActivationBytes,
  savedActivationBytes,
  recomputedActivationBytes,
  type ActivationOptions,
  type MicrobatchShape,
} from "@tessera/gpt";
import { checkPartition } from "@tessera/params";
import { modelStage } from "@tessera/model";
import { optimizerOf } from "@tessera/trainer";
import type { PretrainRun } from "./run_config.js";

export interface StageMemory {
  readonly stage: number;
  /** Bytes. */
  readonly kinds: Readonly<Record<string, number>>;
}

/**
 * Of the stage whose ranks need most, where `inFlight` micro-batches are in flight on each at once.
 * @throws UserError where the model cannot be sharded so.
 */
export function mostMemory(run: PretrainRun, inFlight: readonly number[]): StageMemory {
  const totalOf = ({ kinds }: StageMemory): number =>
    Object.values(kinds).reduce((a, b) => a + b, 0);
  return inFlight
    .map((count, stage): StageMemory => ({ stage, kinds: memoryOf(run, stage, count) }))
    .reduce((a, b) => (totalOf(b) > totalOf(a) ? b : a));
}

function memoryOf(run: PretrainRun, stage: number, inFlight: number): StageMemory["kinds"] {
  const { config, parallel } = run;
  const { data, layers, pipeline, tensor, zeroStage, sumOrder } = parallel;
  const own = layers.filter((_range, chunk) => chunk % pipeline === stage);
  const { spec } = modelStage(config.model, {}, own);
  checkPartition(spec, tensor);
  const { weights, gradients, optimizer, transient } = rankMemory(spec, {
    stage: zeroStage,
    sumOrder,
    ranks: data,
    accumulation: run.batch.accumulation,
    slots: optimizerOf(config, spec).slots.length,
    shard: { index: 0, count: tensor },
  });
  return {
    weights,
    gradients,
    optimizer,
    activations: activationsOf(run, stage, inFlight),
    transient,
  };
}

function activationsOf(run: PretrainRun, stage: number, inFlight: number): number {
  const { config, gpt: model, parallel, batch, sequenceLength } = run;
  const { precision, recompute } = config;
  const { layers, chunks, pipeline, sequence, tensor } = parallel;
  const micro: MicrobatchShape = {
    rows: batch.microBatch,
    time: sequenceLength,
    bytes: precision?.storage === "fp32" ? 4 : 2,
  };
  const options: ActivationOptions = {
    tensorParallel: tensor,
    sequenceParallel: sequence,
    ...(recompute && { recompute }),
  };
  const saved = layers
    .filter((_range, chunk) => chunk % pipeline === stage)
    .map(({ size }) => savedActivationBytes(model, micro, options, size))
    .reduce((a, b) => a + b, 0);
  const end = stage === pipeline - 1 ? headActivationBytes(model, micro, options) : 0;
  // In flight is a micro-batch in one chunk; they are about alike.
  return (inFlight * saved) / chunks + recomputedActivationBytes(model, micro, options) + end;
}
