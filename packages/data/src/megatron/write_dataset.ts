// Writing Megatron's indexed dataset. Nothing stands under the final names until all of it does.

import { UserError } from "@tessera/config";
import { createFileAtomic, writeFileAtomic, writeFully, type AtomicFile } from "@tessera/files";
import { numberFormats } from "./file_array.js";
import { createIntList } from "./int_list.js";
import { encodeIdxHeader } from "./idx_format.js";

export type WrittenDtype = "u16" | "i32";

/** What Megatron stores ids below `vocabularySize` as. */
export const tokenDtype = (vocabularySize: number): WrittenDtype =>
  vocabularySize < 65_500 ? "u16" : "i32";

export interface DatasetWriter {
  /** Adds to the sequence that is being written. */
  append(tokens: ArrayLike<number>): void;
  /** Ends it where the document goes on with another. */
  endSequence(): void;
  /** Ends the document, and the sequence if it has begun. */
  endDocument(): void;
  /** Adds whole documents. */
  appendDocuments(tokens: ArrayLike<number>, places: DocumentLengths): void;
  /** Moves both files to their names. Throws a UserError if there is no document. */
  finish(): void;
  /** Leaves nothing behind. */
  abort(): void;
}

/** Where in a row of tokens documents stand. */
export interface DocumentLengths {
  /** Tokens of each sequence. */
  readonly lengths: Int32Array;
  /** Sequences of each document; null for one each. */
  readonly sequences: Int32Array | null;
}

const BUFFERED_BYTES = 2 ** 20;
const MAX_LENGTH = 2 ** 31 - 1;

/** Writes PREFIX.bin and PREFIX.idx by way of temporary files beside them. */
export function createDatasetWriter(prefix: string, dtype: WrittenDtype): DatasetWriter {
  const bin = createFileAtomic(`${prefix}.bin`);
  const tokens = tokenBuffer(bin, dtype);
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
    appendDocuments(some, { lengths: itsLengths, sequences }) {
      let end = lengths.length;
      for (const count of sequences ?? itsLengths.map(() => 1)) bounds.push((end += count));
      tokens.push(some);
      lengths.append(itsLengths);
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

/** Gathers short sequences, because a write for each would cost more than its tokens. */
function tokenBuffer({ descriptor: bin }: AtomicFile, dtype: WrittenDtype) {
  const array = (length: number) =>
    dtype === "u16" ? new Uint16Array(length) : new Int32Array(length);
  const buffer = array(BUFFERED_BYTES / numberFormats[dtype].bytes);
  let used = 0;
  const flush = () => {
    writeFully(bin, buffer.subarray(0, used));
    used = 0;
  };
  return {
    flush,
    push(tokens: ArrayLike<number>) {
      if (used + tokens.length > buffer.length) flush();
      if (tokens.length > buffer.length) {
        const all = array(tokens.length);
        all.set(tokens);
        writeFully(bin, all);
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

/** Writes what `map` makes of each value, none negative, as 64 bits, a part at a time. */
function writeLongs(file: number, values: Int32Array, map: (value: number) => number): void {
  const size = 2 ** 16;
  const halves = new Uint32Array(2 * size);
  for (let start = 0; start < values.length; start += size) {
    const count = Math.min(size, values.length - start);
    for (let i = 0; i < count; i += 1) {
      const long = map(values[start + i]!);
      halves[2 * i] = long; // what is beyond 32 bits falls away
      halves[2 * i + 1] = long / 2 ** 32;
    }
    writeFully(file, halves.subarray(0, 2 * count));
  }
}
