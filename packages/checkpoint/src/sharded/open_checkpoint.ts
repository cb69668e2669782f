// Reads a sharded checkpoint: each rank reads the elements that it needs, whichever ranks wrote them.

import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { tensor, util, type Tensor } from "@tensorflow/tfjs-core";
import { UserError } from "@tessera/config";
import { mapTree, type ShardLayout, type FlatRange, type Tree, type TreeOf } from "@tessera/params";
import type { ShardIndex } from "@tessera/mesh";
import { openSafetensors, type SafetensorsFile } from "../safetensors.js";
import { readIndex } from "./read_index.js";
import { INDEX, type Index, type TrainingProgress, type StoredTensor } from "./index_format.js";
import { overlaps, type Overlap, type SliceRange } from "./overlaps.js";

/** The slot of the parameters; the others are those of the optimizer. */
export const WEIGHTS = "weights";

/** The name of a tensor in a checkpoint: `weights.blocks.0.norm.gain`. */
export const slotName = (slot: string, path: string): string => `${slot}.${path}`;

/** Whether `folder` is a training checkpoint. */
export const isSharded = (folder: string): boolean => existsSync(join(folder, INDEX));

/** An open training checkpoint. */
export interface Checkpoint {
  readonly folder: string;
  readonly progress: TrainingProgress;
  /** The name of the model's family, and the configuration from which it builds the model. */
  readonly family: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** The settings of the run that saved it, as a user gave them. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Bytes of tensors read so far. */
  readonly bytesRead: number;
  /**
   * Verifies the checksums of the files of `shard`; ranks share the files.
   *
   * @throws UserError that names a file which is not as it was written.
   */
  verify(shard: ShardIndex): void;
  /** The elements of a slot that `layout` has. Throws a UserError where they are not all stored. */
  values(slot: string, layout: ShardLayout): Float32Array;
  /** The same as tensors. The caller owns them. */
  read(slot: string, layouts: TreeOf<ShardLayout>): Tree;
  close(): void;
}

/**
 * Opens the checkpoint in `folder`: reads its index, and checks that all files are there.
 *
 * @throws UserError that names the file which is missing or damaged.
 */
export function openCheckpoint(folder: string): Checkpoint {
  const index = readIndex(folder);
  checkSizes(folder, index);
  const files = createFiles(folder, index);
  const values = (slot: string, { shape, ranges }: ShardLayout): Float32Array => {
    const all = new Float32Array(util.sizeFromShape([...shape]));
    for (const range of ranges) {
      readRange(files, findStored(index, files, slotName(slot, range.path), range), range, all);
    }
    return all;
  };
  return {
    folder,
    progress: index.progress,
    family: index.family,
    config: index.config,
    settings: index.run,
    get bytesRead() {
      return files.bytesRead();
    },
    verify: (shard) => verifyChecksums(index, files, shard),
    values,
    read: (slot, layouts) =>
      mapTree<TreeOf<ShardLayout>, ShardLayout, Tensor>(layouts, (layout) =>
        tensor(values(slot, layout), [...layout.shape]),
      ),
    close: () => files.close(),
  };
}

function checkSizes(folder: string, { files }: Index): void {
  for (const { name, bytes } of files) {
    const path = join(folder, name);
    const size = statSync(path, { throwIfNoEntry: false })?.size;
    if (size === undefined) throw new UserError(`${path}: is missing from the checkpoint`);
    if (size !== bytes) {
      throw new UserError(
        `${path}: is damaged: it has ${size} bytes, and was written with ${bytes}`,
      );
    }
  }
}

interface Files {
  /** Path of the index, for error messages. */
  readonly index: string;
  open(index: number): SafetensorsFile;
  read(from: FileTensor, first: number, size: number): Float32Array;
  bytesRead(): number;
  close(): void;
}

/** A tensor of a file. */
interface FileTensor {
  readonly file: number;
  readonly name: string;
}

/** Opens files when they are first read. */
function createFiles(folder: string, { files }: Index): Files {
  const opened = new Map<number, SafetensorsFile>();
  let total = 0;
  const open = (index: number): SafetensorsFile => {
    const found = opened.get(index) ?? openSafetensors(join(folder, files[index]!.name));
    opened.set(index, found);
    return found;
  };
  return {
    index: join(folder, INDEX),
    open,
    read({ file, name }, first, size) {
      total += 4 * size;
      return open(file).read(name, first, size);
    },
    bytesRead: () => total,
    close() {
      for (const file of opened.values()) file.close();
    },
  };
}

function verifyChecksums({ tensors }: Index, files: Files, { index, count }: ShardIndex): void {
  for (const [name, { pieces }] of Object.entries(tensors)) {
    for (const piece of pieces) {
      if (piece.file % count !== index) continue;
      const file = files.open(piece.file);
      const [elements, ...more] = file.shapes.get(name) ?? [];
      if (elements !== piece.count || more.length > 0 || file.checksum(name) !== piece.crc32) {
        throw new UserError(`${file.path}: is damaged: ${name} is not as it was written`);
      }
    }
  }
}

interface StoredSlot extends StoredTensor {
  readonly name: string;
}

/** Where a tensor is stored. Throws a UserError where it is missing, or has another shape. */
function findStored(
  { tensors }: Index,
  files: Files,
  name: string,
  { slice }: FlatRange,
): StoredSlot {
  const stored = tensors[name];
  const shape = stored === undefined ? "missing" : `[${stored.shape.join(", ")}]`;
  const needed = `[${slice.shape.join(", ")}]`;
  if (stored === undefined || shape !== needed) {
    throw new UserError(`${files.index}: ${name} is ${shape}, the run needs ${needed}`);
  }
  return { name, ...stored };
}

/** Copies the elements of `range` into `into`. Throws a UserError unless all are stored. */
function readRange(
  files: Files,
  { name, shape, pieces }: StoredSlot,
  range: FlatRange,
  into: Float32Array,
): void {
  let missing = range.size;
  for (const { file, start, size, first, count } of pieces) {
    const stored: SliceRange = {
      slice: { shape: shape, start, size },
      sliceOffset: first,
      size: count,
    };
    for (const { from, length, found } of batchOverlaps(overlaps(stored, range))) {
      const values = files.read({ file, name }, from, length);
      for (const overlap of found) {
        const start = overlap.from - from;
        into.set(values.subarray(start, start + overlap.length), range.tensorOffset + overlap.to);
      }
      missing -= length;
    }
  }
  if (missing !== 0) {
    throw new UserError(
      `${files.index}: has ${range.size - missing} of ${range.size} elements of ${name}`,
    );
  }
}

/** Overlaps that are contiguous in a file, and are read at once. */
interface ReadBatch {
  readonly from: number;
  readonly length: number;
  readonly found: readonly Overlap[];
}

/** Elements of a batch of several overlaps. */
const MAX_BATCH = 2 ** 21;

function* batchOverlaps(all: Iterable<Overlap>): Generator<ReadBatch> {
  let found: Overlap[] = [];
  let [from, end] = [0, 0];
  for (const overlap of all) {
    if (found.length > 0 && (overlap.from !== end || end - from >= MAX_BATCH)) {
      yield { from, length: end - from, found };
      found = [];
    }
    if (found.length === 0) from = overlap.from;
    end = overlap.from + overlap.length;
    found.push(overlap);
  }
  if (found.length > 0) yield { from, length: end - from, found };
}
