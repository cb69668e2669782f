// The index of a sharded checkpoint: which elements of which tensor are in which file, and all that training
// continues with besides tensors. It begins with the checksum of the rest of it.

import { crc32 } from "node:zlib";
import * as v from "valibot";

/** The file that makes a folder a checkpoint. */
export const INDEX = "index.json";

/** The beginning of an index: the checksum of `body`, which is the rest. */
export const checksumPrefix = (body: string): string =>
  `{"crc32":"${crc32(body).toString(16).padStart(8, "0")}",`;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** How far training is. */
export const TrainingProgress = v.object({
  /** Optimizer steps taken. */
  step: count,
  /** Samples that all ranks together have taken: where the next batch begins. */
  consumedSamples: count,
  /** Samples that the order of a dataset was built for. */
  trainSamples: v.optional(count),
  /** State of the dynamic loss scale of fp16 training. */
  lossScale: v.optional(
    v.object({
      scale: v.pipe(v.number(), v.finite(), v.gtValue(0)),
      steadySteps: count,
      patience: count,
      skippedSteps: count,
      skippedSamples: count,
    }),
  ),
  /** Random numbers are functions of it, `step` and `consumedSamples`. */
  seed: count,
  /** Settings that must be the same in the run that continues this one. */
  identity: v.record(v.string(), v.union([v.string(), v.number()])),
  /** Settings that change its numbers, and may be changed on purpose. Older versions did not write them. */
  settings: v.optional(v.record(v.string(), v.union([v.string(), v.number()]))),
});

/** How far training is. */
export type TrainingProgress = Readonly<v.InferOutput<typeof TrainingProgress>>;

/** Elements [first, first + count) of the slice of `size` at `start`, and the file whose tensor they are. */
const StoredRange = v.object({
  file: count,
  start: v.array(count),
  size: v.array(count),
  first: count,
  count,
  crc32: count,
});

export type StoredRange = v.InferOutput<typeof StoredRange>;

/** The global shape of a tensor, and where its elements are stored. */
const StoredTensor = v.object({ shape: v.array(count), pieces: v.array(StoredRange) });

export type StoredTensor = v.InferOutput<typeof StoredTensor>;

/** The schema of index.json. */
export const Index = v.object({
  format: v.literal("tessera-checkpoint"),
  progress: TrainingProgress,
  /** The family of the model. The first version, which knew only GPTs, did not write it. */
  family: v.optional(v.string(), "gpt"),
  /** The configuration of the model, in the form of its family. */
  config: v.record(v.string(), v.unknown()),
  /** The learning-rate schedule. */
  schedule: v.record(v.string(), v.union([v.string(), v.number()])),
  /** The settings of the run, for people. */
  run: v.record(v.string(), v.unknown()),
  files: v.array(
    // No names that lead out of the folder.
    v.object({
      name: v.pipe(v.string(), v.regex(/^shard-\d+-of-\d+\.safetensors$/)),
      bytes: count,
    }),
  ),
  tensors: v.record(v.string(), StoredTensor),
});

export type Index = Readonly<v.InferOutput<typeof Index>>;

/** The part of an index that does not depend on the layout of ranks. */
export type CheckpointMetadata = Omit<Index, "format" | "files" | "tensors">;
