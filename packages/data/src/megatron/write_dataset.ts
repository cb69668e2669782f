// Writes Megatron's indexed dataset, atomically.

import { UserError } from "@tessera/config";
import { dirname } from "node:path";
import {
  createFileAtomic,
  makeFolder,
  writeError,
  writeFileAtomic,
  writeFully,
  type AtomicFile,
} from "@tessera/files";
import { numberFormats } from "./file_array.js";
import { createIntList } from "./int_list.js";
import { encodeIdxHeader } from "./idx_format.js";

/** How tokens are written. */
export type WrittenDtype = "u16" | "i32";

/** The dtype that Megatron chooses for ids below `vocabularySize`. */
export const tokenDtype = (vocabularySize: number): WrittenDtype =>
  vocabularySize < 65_500 ? "u16" : "i32";

/** A dataset that is being written. It must be finished or aborted. */
export interface DatasetWriter {
  /** Appends to the current sequence. */
  append(tokens: ArrayLike<number>): void;
  /** Ends the sequence; the document continues with another. */
  endSequence(): void;
  /** Ends the document, and its last sequence. */
  endDocument(): void;
  /** Appends whole documents. */
  appendDocuments(tokens: ArrayLike<number>, documents: DocumentLengths): void;
  /** Gives both files their names. Throws a UserError where there is no document. */
  finish(): void;
  /** Removes what was written. */
  abort(): void;
}

/** How consecutive tokens are divided into documents. */
export interface DocumentLengths {
  /** Number of tokens of each sequence. */
  readonly lengths: Int32Array;
  /** Number of sequences of each document; null for one each. */
  readonly sequences: Int32Array | null;
}

const BUFFERED_BYTES = 2 ** 20;
const MAX_LENGTH = 2 ** 31 - 1;

/**
 * Starts to write PREFIX.bin and PREFIX.idx, in a folder that is made if it is not there.
 *
 * @throws UserError where the folder cannot be written.
 */
export function createDatasetWriter(prefix: string, dtype: WrittenDtype): DatasetWriter {
  try {
    makeFolder(dirname(prefix));
  } catch (error) {
    throw writeError(dirname(prefix), error);
  }
  const bin = createFileAtomic(`${prefix}.bin`);
  const tokens = createTokenBuffer(bin, dtype);
  const lengths = createIntList();
  const bounds = createIntList();
  bounds.push(0);
  let length = 0;
  const endSequence = () => {
    if (length > MAX_LENGTH) {
      throw new UserError(
        `${prefix}: a document has ${length} tokens, the format counts up to ${MAX_LENGTH}: split it`,
      );
    }
    lengths.push(length);
    length = 0;
  };
  return {
    append(some) {
      tokens.push(some);
      length += some.length;
    },
    endSequence,
    endDocument() {
      if (length > 0) endSequence();
      bounds.push(lengths.length);
    },
    appendDocuments(some, { lengths: theirLengths, sequences }) {
      let end = lengths.length;
      for (const count of sequences ?? theirLengths.map(() => 1)) bounds.push((end += count));
      tokens.push(some);
      lengths.append(theirLengths);
    },
    abort: () => bin.abort(),
    finish() {
      if (bounds.length === 1) {
        bin.abort();
        throw new UserError(`${prefix}: there is no document to write`);
      }
      tokens.flush();
      writeFileAtomic(`${prefix}.idx`, (idx) => {
        writeIdx(idx, dtype, lengths.all(), bounds.all());
        bin.commit(); // before the index, which promises its tokens
      });
    },
  };
}

/** Buffers short sequences: a write for each would cost more than its tokens. */
function createTokenBuffer(bin: AtomicFile, dtype: WrittenDtype) {
  const array = (length: number) =>
    dtype === "u16" ? new Uint16Array(length) : new Int32Array(length);
  const buffer = array(BUFFERED_BYTES / numberFormats[dtype].bytes);
  let used = 0;
  const flush = () => {
    bin.write(buffer.subarray(0, used));
    used = 0;
  };
  return {
    flush,
    push(tokens: ArrayLike<number>) {
      if (used + tokens.length > buffer.length) flush();
      if (tokens.length > buffer.length) {
        const all = array(tokens.length);
        all.set(tokens);
        bin.write(all);
        return;
      }
      buffer.set(tokens, used);
      used += tokens.length;
    },
  };
}

function writeIdx(
  file: number,
  dtype: WrittenDtype,
  lengths: Int32Array,
  bounds: Int32Array,
): void {
  const { bytes } = numberFormats[dtype];
  writeFully(
    file,
    encodeIdxHeader({ dtype, sequenceCount: lengths.length, boundCount: bounds.length }),
  );
  writeFully(file, lengths);
  let offset = 0;
  writeLongs(file, lengths, (length) => {
    const start = offset;
    offset += length * bytes;
    return start;
  });
  writeLongs(file, bounds, (bound) => bound);
}

/** Writes `map` of each value, which is not negative, as i64. */
function writeLongs(file: number, values: Int32Array, map: (value: number) => number): void {
  const size = 2 ** 16;
  const halves = new Uint32Array(2 * size);
  for (let start = 0; start < values.length; start += size) {
    const count = Math.min(size, values.length - start);
    for (let i = 0; i < count; i += 1) {
      const long = map(values[start + i]!);
      halves[2 * i] = long; // its lower 32 bits
      halves[2 * i + 1] = long / 2 ** 32;
    }
    writeFully(file, halves.subarray(0, 2 * count));
  }
}
