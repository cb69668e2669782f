// Reading a sharded checkpoint: each rank reads the elements that it is to hold, whoever wrote them.

import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { tensor, type Tensor } from "@tensorflow/tfjs-core";
import { UserError } from "@tessera/config";
import { mapTree, type ShardLayout, type FlatRange, type Tree, type TreeOf } from "@tessera/params";
import type { ShardIndex } from "@tessera/mesh";
import { openSafetensors, type SafetensorsFile } from "../safetensors.js";
import { readIndex } from "./read_index.js";
import { INDEX, type Index, type Progress, type StoredTensor } from "./index_format.js";
import { overlaps, type Overlap, type Stretch } from "./slice.js";

/** The slot of the parameters themselves; the others are the optimizer's. */
export const WEIGHTS = "weights";

export const slotName = (slot: string, path: string): string => `${slot}.${path}`;

export const isSharded = (folder: string): boolean => existsSync(join(folder, INDEX));

export interface SavedCheckpoint {
  readonly folder: string;
  readonly progress: Progress;
  /** The name of the model's family, and the configuration from which it builds the model. */
  readonly family: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** Bytes of tensors read so far. */
  readonly bytesRead: number;
  /**
   * Throws a UserError, naming the file, where a tensor in one of the files that are `part` of all is not as it
   * was written. Ranks check a part each.
   */
  check(shard: ShardIndex): void;
  /** The elements that a tensor holds of a slot: weights or the optimizer's. */
  values(slot: string, layout: ShardLayout): Float32Array;
  /** Tensors of them. The caller owns these. */
  read(slot: string, layouts: TreeOf<ShardLayout>): Tree;
  close(): void;
}

/** Reads the index, and makes sure that all files are there. Throws a UserError that names what is not. */
export function openCheckpoint(folder: string): SavedCheckpoint {
  const index = readIndex(folder);
  checkSizes(folder, index);
  const files = opener(folder, index);
  const values = (slot: string, { shape, ranges }: ShardLayout): Float32Array => {
    const all = new Float32Array(shape.reduce((a, b) => a * b, 1));
    for (const range of ranges) {
      readPiece(files, storedOf(index, files, slotName(slot, range.path), range), range, all);
    }
    return all;
  };
  return {
    folder,
    progress: index.progress,
    family: index.family,
    config: index.config,
    get bytesRead() {
      return files.bytesRead();
    },
    check: (shard) => checkSums(index, files, shard),
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
  /** Where the index is. */
  readonly index: string;
  open(index: number): SafetensorsFile;
  read(from: Named, first: number, size: number): Float32Array;
  bytesRead(): number;
  close(): void;
}

/** A tensor of a file. */
interface Named {
  readonly file: number;
  readonly name: string;
}

/** Files are opened when they are first read. */
function opener(folder: string, { files }: Index): Files {
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

function checkSums({ tensors }: Index, files: Files, { index, count }: ShardIndex): void {
  for (const [name, { pieces }] of Object.entries(tensors)) {
    for (const piece of pieces) {
      if (piece.file % count !== index) continue;
      const file = files.open(piece.file);
      const [elements, ...more] = file.shapes.get(name) ?? [];
      if (elements !== piece.count || more.length > 0 || file.sum(name) !== piece.crc32) {
        throw new UserError(`${file.path}: is damaged: ${name} is not as it was written`);
      }
    }
  }
}

interface StoredSlot extends StoredTensor {
  readonly name: string;
}

/** What is stored of a parameter. */
function storedOf(
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

/** Copies what is stored of `range` to its place. Throws a UserError unless that is all of it. */
function readPiece(
  files: Files,
  { name, shape, pieces }: StoredSlot,
  range: FlatRange,
  into: Float32Array,
): void {
  let missing = range.size;
  for (const { file, start, size, first, count } of pieces) {
    const stored: Stretch = {
      slice: { shape: shape, start, size },
      sliceOffset: first,
      size: count,
    };
    for (const { from, length, places } of batches(overlaps(stored, range))) {
      const values = files.read({ file, name }, from, length);
      for (const place of places) {
        const start = place.from - from;
        into.set(values.subarray(start, start + place.length), range.tensorOffset + place.to);
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

/** Overlaps that lie side by side in a file, and are read at once. */
interface Batch {
  readonly from: number;
  readonly length: number;
  readonly places: readonly Overlap[];
}

/** Most elements of a batch of several places. */
const BATCH = 2 ** 21;

function* batches(all: Iterable<Overlap>): Generator<Batch> {
  let places: Overlap[] = [];
  let [from, end] = [0, 0];
  for (const place of all) {
    if (places.length > 0 && (place.from !== end || end - from >= BATCH)) {
      yield { from, length: end - from, places };
      places = [];
    }
    if (places.length === 0) from = place.from;
    end = place.from + place.length;
    places.push(place);
  }
  if (places.length > 0) yield { from, length: end - from, places };
}
