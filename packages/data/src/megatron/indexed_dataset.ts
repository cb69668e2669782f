// Reads Megatron's indexed dataset: PREFIX.bin has the tokens, PREFIX.idx the offset of each sequence. Opening reads
// only the header, whatever the size; memory does not grow with it.

import { closeSync, fstatSync } from "node:fs";
import { UserError } from "@tessera/config";
import { openFile, readFully, statPath, type OpenFile } from "@tessera/files";
import {
  fileArray,
  numberFormats,
  readChunks,
  type NumberArray,
  type Numbers,
} from "./file_array.js";
import type { StageProgress } from "../progress.js";
import { HEADER_BYTES, idxOffsets, parseIdxHeader, type TokenDtype } from "./idx_format.js";

/** An open dataset. */
export interface IndexedDataset {
  /** The path without .bin or .idx. */
  readonly prefix: string;
  readonly dtype: TokenDtype;
  /** Tokens of each sequence. */
  readonly lengths: NumberArray;
  /** The first sequence of each document, and the number of sequences. */
  readonly bounds: NumberArray;
  /** Tokens of all sequences, by the size of the .bin file. */
  readonly tokenCount: number;
  /** Reads tokens [from, from + count) of a sequence into `out`, from `at` on. Default of `at`: 0. */
  read(sequence: number, from: number, count: number, out: Int32Array, at?: number): void;
  /** The largest id. Reads all tokens. Throws a UserError for a negative one. */
  largestToken(progress?: StageProgress): number;
  /** Checks the whole index. Throws a UserError for a sequence outside the tokens. */
  verify(): void;
  close(): void;
}

/**
 * Opens the dataset at `prefix`, which may end in .bin or .idx.
 *
 * @throws UserError where a file is missing, cut short or damaged.
 */
export function openIndexedDataset(prefix: string): IndexedDataset {
  const plain = prefix.replace(/\.(bin|idx)$/, "");
  const bin = openPart(`${plain}.bin`);
  try {
    const idx = openPart(`${plain}.idx`);
    try {
      return openFiles(plain, idx, bin);
    } catch (error) {
      closeSync(idx.descriptor);
      throw error;
    }
  } catch (error) {
    closeSync(bin.descriptor);
    throw error;
  }
}

function openPart(path: string): OpenFile {
  if (statPath(path) !== undefined) return { path, descriptor: openFile(path) };
  throw new UserError(`${path}: is not there; a dataset is two files, PREFIX.bin and PREFIX.idx`);
}

function openFiles(prefix: string, idx: OpenFile, bin: OpenFile): IndexedDataset {
  const { path } = idx;
  const idxBytes = fstatSync(idx.descriptor).size;
  if (idxBytes < HEADER_BYTES) {
    throw new UserError(`${path}: has ${idxBytes} bytes, an index has at least ${HEADER_BYTES}`);
  }
  const head = Buffer.alloc(HEADER_BYTES);
  readFully(idx, head, 0);
  const header = parseIdxHeader(head, idxBytes, path);
  const { sequenceCount, boundCount, dtype } = header;
  if (sequenceCount === 0) throw new UserError(`${prefix}: the dataset is empty, give another`);
  const arrays = idxOffsets(header);
  const lengths = fileArray(idx, { offset: arrays.lengths, length: sequenceCount, format: "i32" });
  const offsets = fileArray(idx, { offset: arrays.offsets, length: sequenceCount, format: "i64" });
  const bounds = fileArray(idx, { offset: arrays.bounds, length: boundCount, format: "i64" });
  const binBytes = fstatSync(bin.descriptor).size;
  const file: TokenFile = { prefix, dtype, binBytes, lengths, offsets: offsets };
  checkSequence(
    file,
    sequenceCount - 1,
    lengths.at(sequenceCount - 1),
    offsets.at(sequenceCount - 1),
  );
  return {
    prefix,
    dtype,
    lengths,
    bounds,
    tokenCount: Math.floor(binBytes / numberFormats[dtype].bytes),
    read: createReader(bin, file),
    largestToken: (progress) => largestToken(bin, file, progress),
    verify() {
      verifySequences(file);
      verifyBounds(bounds, sequenceCount, path);
    },
    close() {
      closeSync(idx.descriptor);
      closeSync(bin.descriptor);
    },
  };
}

interface TokenFile {
  readonly prefix: string;
  readonly dtype: TokenDtype;
  readonly binBytes: number;
  readonly lengths: NumberArray;
  readonly offsets: NumberArray;
}

/** Throws a UserError unless the sequence is within the tokens. */
function checkSequence(file: TokenFile, sequence: number, length: number, offset: number): void {
  const end = offset + length * numberFormats[file.dtype].bytes;
  if (length >= 0 && offset >= 0 && end <= file.binBytes) return;
  throw new UserError(
    `${file.prefix}.bin: has ${file.binBytes} bytes, but the index puts sequence ${sequence} at ` +
      `bytes ${offset} to ${end}: one of the two files is cut short or damaged`,
  );
}

function verifySequences(file: TokenFile): void {
  let sequence = 0;
  const offsets = readChunks(file.offsets);
  for (const lengths of readChunks(file.lengths)) {
    const { value: starts } = offsets.next() as IteratorYieldResult<Numbers>;
    for (let i = 0; i < lengths.length; i += 1, sequence += 1) {
      checkSequence(file, sequence, lengths[i]!, starts[i]!);
    }
  }
}

function verifyBounds(bounds: NumberArray, sequenceCount: number, path: string): void {
  let last = 0;
  for (const some of readChunks(bounds)) {
    for (const bound of some) {
      if (bound < last || bound > sequenceCount) {
        throw new UserError(
          `${path}: a document begins at sequence ${bound}, after ${last} and of ` +
            `${sequenceCount}: the index is damaged, make it again`,
        );
      }
      last = bound;
    }
  }
}

/** One read for each call; i32 tokens are read into `out` directly. */
function createReader(bin: OpenFile, file: TokenFile): IndexedDataset["read"] {
  const { bytes, read } = numberFormats[file.dtype];
  return (sequence, from, count, out, at = 0) => {
    const length = file.lengths.at(sequence);
    const offset = file.offsets.at(sequence);
    if (!(from >= 0 && count >= 0 && from + count <= length)) {
      throw new RangeError(
        `tokens ${from} to ${from + count} of sequence ${sequence}: it has ${length}`,
      );
    }
    checkSequence(file, sequence, length, offset);
    if (file.dtype === "i32") {
      const into = new Uint8Array(out.buffer, out.byteOffset + 4 * at, 4 * count);
      readFully(bin, into, offset + 4 * from);
      return;
    }
    const buffer = new ArrayBuffer(count * bytes);
    readFully(bin, new Uint8Array(buffer), offset + from * bytes);
    out.set(read(buffer), at);
  };
}

function largestToken(
  bin: OpenFile,
  { prefix, dtype, binBytes }: TokenFile,
  progress?: StageProgress,
): number {
  const length = Math.floor(binBytes / numberFormats[dtype].bytes);
  const tokens = fileArray(bin, { offset: 0, length, format: dtype });
  let largest = -1;
  let done = 0;
  for (const some of readChunks(tokens, 2 ** 20)) {
    for (const token of some) {
      if (token > largest) largest = token;
      if (token < 0) {
        throw new UserError(
          `${prefix}.bin: has token ${token}, ids are not negative: make it again`,
        );
      }
    }
    done += some.length;
    progress?.(done, length);
  }
  return largest;
}
