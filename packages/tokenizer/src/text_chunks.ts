// A file of any size as chunks that can be encoded apart.

import { closeSync, openSync, readSync } from "node:fs";
import { UserError } from "@tessera/config";
import { lastCut } from "./cut.js";

const CHUNK_BYTES = 2 ** 20;
/** What stands between two places where text may be cut must fit in memory. */
const MAX_CHUNK_BYTES = 2 ** 30;

/** Says where to cut: the chunk is what stands before, and 0 asks for more text. */
export type Cut = (bytes: Uint8Array) => number;

/**
 * The bytes of `path`, each chunk in memory of its own, cut where `cut` says and at the end of the
 * file. Throws a UserError for a file that cannot be read, or one that cannot be cut for a GiB.
 */
export function* fileChunks(
  path: string,
  partition: Cut = lastCut,
  chunkBytes = CHUNK_BYTES,
): Generator<Uint8Array> {
  const file = open(path);
  try {
    let buffer = uncleared(chunkBytes);
    let pending = 0; // bytes that wait for more
    for (;;) {
      const filled = pending + fill(file, buffer, pending, path);
      const isLast = filled < buffer.length;
      const end = isLast ? filled : partition(buffer);
      if (end === 0 && filled >= MAX_CHUNK_BYTES) {
        throw new UserError(`${path}: has no line or word to cut it at for a GiB, break it up`);
      }
      pending = filled - end;
      // Twice what is pending, so that a text without cuts is not read over and over.
      const next = uncleared(isLast ? 0 : Math.max(chunkBytes, 2 * pending));
      next.set(buffer.subarray(end, filled));
      if (end > 0) yield buffer.subarray(0, end);
      if (isLast) return;
      buffer = next;
    }
  } finally {
    closeSync(file);
  }
}

/** Memory of its own that is written before it is read. */
const uncleared = (bytes: number): Uint8Array => Buffer.allocUnsafeSlow(bytes);

function open(path: string): number {
  try {
    return openSync(path, "r");
  } catch (error) {
    throw new UserError(
      `${path}: cannot be read (${(error as NodeJS.ErrnoException).code}), check the path`,
    );
  }
}

/** Reads on until `buffer` is full or the file ends; a pipe gives a part at a time. */
function fill(file: number, buffer: Uint8Array, start: number, path: string): number {
  let at = start;
  while (at < buffer.length) {
    try {
      const read = readSync(file, buffer, at, buffer.length - at, null);
      if (read === 0) break;
      at += read;
    } catch (error) {
      throw new UserError(`${path}: cannot be read (${(error as NodeJS.ErrnoException).code})`);
    }
  }
  return at - start;
}

/** Cuts after the last line. */
export const lastLine: Cut = (bytes) => bytes.lastIndexOf(0x0a) + 1;
