// A file of any size as chunks that can be encoded separately.

import { UserError } from "@tessera/config";
import { readBlocks } from "@tessera/files/corpus";
import { findSplitPoint, type FindSplit } from "./split_point.js";

const CHUNK_BYTES = 2 ** 20;
/** What is between two split points must fit in memory. */
const MAX_CHUNK_BYTES = 2 ** 30;

/** A part of a file's text, in memory of its own. */
export interface TextChunk {
  readonly bytes: Uint8Array;
  /** Bytes of the file that it took: fewer, where the file is compressed. */
  readonly read: number;
}

/**
 * The text of `path` in chunks, split where `findSplit` says. Default: between words or lines.
 *
 * @throws UserError for a file that cannot be read as text, or that has no split point for a GiB.
 */
export async function* readChunks(
  path: string,
  findSplit: FindSplit = findSplitPoint,
  chunkBytes = CHUNK_BYTES,
): AsyncGenerator<TextChunk> {
  let buffer = allocate(chunkBytes);
  let filled = 0;
  let taken = 0; // bytes of the file in the chunks before
  let read = 0;
  for await (const block of readBlocks(path)) {
    read = block.read;
    for (let from = 0; from < block.bytes.length;) {
      const count = Math.min(buffer.length - filled, block.bytes.length - from);
      buffer.set(block.bytes.subarray(from, from + count), filled);
      filled += count;
      from += count;
      if (filled < buffer.length) continue;
      const end = findSplit(buffer);
      if (end === 0 && filled >= MAX_CHUNK_BYTES) {
        throw new UserError(`${path}: has no line or word to cut it at for a GiB, break it up`);
      }
      const pending = filled - end;
      // Twice what is pending, so that a text without cuts is not read over and over.
      const next = allocate(Math.max(chunkBytes, 2 * pending));
      next.set(buffer.subarray(end, filled));
      if (end > 0) {
        yield { bytes: buffer.subarray(0, end), read: read - taken };
        taken = read;
      }
      buffer = next;
      filled = pending;
    }
  }
  if (filled > 0) yield { bytes: buffer.subarray(0, filled), read: read - taken };
}

/** Memory that is not cleared: it is written before it is read. */
const allocate = (bytes: number): Uint8Array => Buffer.allocUnsafeSlow(bytes);

/** Chunks end with a line. */
export const splitAfterLine: FindSplit = (bytes) => bytes.lastIndexOf(0x0a) + 1;
