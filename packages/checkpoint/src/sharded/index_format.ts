// The index of a sharded checkpoint: which elements of which tensor are in which file, and all that training
// continues with besides tensors. It begins with the checksum of the rest of it.

import { crc32 } from "node:zlib";
import * as v from "valibot";

export const INDEX = "index.json";

/** What an index begins with: the sum of the rest. */
export const prefixOf = (body: string): string =>
  `{"crc32":"${crc32(body).toString(16).padStart(8, "0")}",`;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

export const Progress = v.object({
  /** Optimizer steps taken. */
  step: count,
  /** Samples taken from the shuffled order: where the next batch begins. */
  consumedSamples: count,
  /** Samples that the order of a dataset was laid out for. */
  trainSamples: v.optional(count),
  /** Where the loss scale of fp16 training stands. */
  lossScale: v.optional(
    v.object({
      scale: v.pipe(v.number(), v.finite(), v.gtValue(0)),
      steadySteps: count,
      patience: count,
      skippedSteps: count,
      skippedSamples: count,
    }),
  ),
  /** With `step` and `consumedSamples`, all that random numbers are functions of. */
  seed: count,
  /** What the run must have in common with the one that continues it, by name. */
  identity: v.record(v.string(), v.union([v.string(), v.number()])),
});

export type Progress = Readonly<v.InferOutput<typeof Progress>>;

/** Elements [first, first + count) of the box of `size` at `start`, as a tensor of a file. */
const StoredPiece = v.object({
  file: count,
  start: v.array(count),
  size: v.array(count),
  first: count,
  count,
  crc32: count,
});

export type StoredPiece = v.InferOutput<typeof StoredPiece>;

/** A tensor as a whole, and where its elements lie. */
const StoredTensor = v.object({ shape: v.array(count), pieces: v.array(StoredPiece) });

export type StoredTensor = v.InferOutput<typeof StoredTensor>;

export const Index = v.object({
  format: v.literal("tessera-checkpoint"),
  progress: Progress,
  /** The model's family; the first version wrote none, and knew one. */
  family: v.optional(v.string(), "gpt"),
  /** The model's configuration, which its family reads. */
  config: v.record(v.string(), v.unknown()),
  /** How the learning rate goes. */
  schedule: v.record(v.string(), v.union([v.string(), v.number()])),
  /** The run's settings as they were resolved, for people. */
  run: v.record(v.string(), v.unknown()),
  files: v.array(
    // Names that lead out of the folder are none.
    v.object({
      name: v.pipe(v.string(), v.regex(/^shard-\d+-of-\d+\.safetensors$/)),
      bytes: count,
    }),
  ),
  tensors: v.record(v.string(), StoredTensor),
});

export type Index = Readonly<v.InferOutput<typeof Index>>;

/** What of an index does not depend on the layout that it was saved under. */
export type About = Omit<Index, "format" | "files" | "tensors">;
