// What a rank's tensors are expected to take, by kind, from the configuration alone.

import { rankMemory } from "@tessera/data-parallel";
import {
  headActivationBytes,
  gptModel,
  savedActivationBytes,
  recomputedActivationBytes,
  type ActivationOptions,
  type MicroBatch,
} from "@tessera/gpt";
import { checkPartition } from "@tessera/layers";
import { modelStage } from "@tessera/model";
import type { RunConfig } from "./resolve.js";

export interface StageMemory {
  readonly stage: number;
  /** Bytes. */
  readonly kinds: Readonly<Record<string, number>>;
}

/** Adam keeps two numbers beside each weight. */
const SLOTS = 2;

/**
 * Of the stage whose ranks need most, where `inFlight` micro-batches are in flight on each at once. Throws a
 * UserError where the model cannot be shared out so.
 */
export function mostMemory(config: RunConfig, inFlight: readonly number[]): StageMemory {
  const totalOf = ({ kinds }: StageMemory): number =>
    Object.values(kinds).reduce((a, b) => a + b, 0);
  return inFlight
    .map((count, stage): StageMemory => ({ stage, kinds: memoryOf(config, stage, count) }))
    .reduce((a, b) => (totalOf(b) > totalOf(a) ? b : a));
}

function memoryOf(config: RunConfig, stage: number, inFlight: number): StageMemory["kinds"] {
  const { model, parallel } = config;
  const { data, layers, pipeline, tensor, zeroStage } = parallel;
  const own = layers.filter((_span, part) => part % pipeline === stage);
  const { spec } = modelStage(gptModel(model), {}, own);
  checkPartition(spec, tensor);
  const { weights, gradients, optimizer, transient } = rankMemory(spec, {
    stage: zeroStage,
    ranks: data,
    slots: SLOTS,
    shard: { index: 0, count: tensor },
  });
  return {
    weights,
    gradients,
    optimizer,
    activations: activationsOf(config, stage, inFlight),
    "in passing": transient,
  };
}

function activationsOf(config: RunConfig, stage: number, inFlight: number): number {
  const { model, parallel, length, sequenceLength, storage, recompute } = config;
  const { layers, chunks, pipeline, sequence, tensor } = parallel;
  const micro: MicroBatch = {
    rows: length.microBatch,
    time: sequenceLength,
    bytes: storage === "fp32" ? 4 : 2,
  };
  const keeping: ActivationOptions = {
    tensorParallel: tensor,
    sequenceParallel: sequence,
    ...(recompute && { recompute }),
  };
  const kept = layers
    .filter((_span, part) => part % pipeline === stage)
    .map(({ size }) => savedActivationBytes(model, micro, keeping, size))
    .reduce((a, b) => a + b, 0);
  const end = stage === pipeline - 1 ? headActivationBytes(model, micro, keeping) : 0;
  // In flight is a micro-batch in one chunk; they are about alike.
  return (inFlight * kept) / chunks + recomputedActivationBytes(model, micro, keeping) + end;
}
