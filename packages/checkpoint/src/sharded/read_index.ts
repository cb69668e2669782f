// The index of a sharded checkpoint: which elements of which tensor lie in which file, and all that
// training goes on with beside tensors. It begins with the sum of the rest of it.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "@tessera/config";
import { parseJson, readText } from "@tessera/files";
import * as v from "valibot";
import { faultOf } from "../fault.js";
import { INDEX, prefixOf } from "./write_index.js";

/** Larger ones are refused before they are read. */
const MAX_BYTES = 256 * 2 ** 20;

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

const Index = v.object({
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

/** Throws a UserError that names the file unless it is as it was written. */
export function readIndex(folder: string): Index {
  const path = join(folder, INDEX);
  if (!existsSync(path)) {
    throw new UserError(`${folder}: is no checkpoint to resume: it has no ${INDEX}`);
  }
  const text = readText(path, MAX_BYTES);
  const body = text.slice(prefixOf("").length);
  if (text !== prefixOf(body) + body) {
    throw new UserError(`${path}: is damaged: its sum is not the one it was saved with`);
  }
  const parsed = v.safeParse(Index, parseJson(`{${body}`, path), { abortEarly: true });
  if (!parsed.success) {
    throw new UserError(`${path}: is not what Tessera writes: ${faultOf(parsed.issues)}`);
  }
  checkPieces(path, parsed.output);
  return parsed.output;
}

/** What a checkpoint says of how far training was. Its other files are not looked at. */
export const readProgress = (folder: string): Progress => readIndex(folder).progress;

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Every piece lies in its tensor, and in a file that there is. */
function checkPieces(path: string, { files, tensors }: Index): void {
  for (const [name, { shape, pieces }] of Object.entries(tensors)) {
    for (const { file, start, size, first, count } of pieces) {
      const isInside =
        start.length === shape.length &&
        size.length === shape.length &&
        shape.every((extent, dim) => start[dim]! + size[dim]! <= extent) &&
        first + count <= sizeOf(size);
      if (!isInside || files[file] === undefined) {
        throw new UserError(`${path}: ${name} has a piece outside of it or of all files`);
      }
    }
  }
}
