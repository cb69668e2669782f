// A file of any size as chunks that can be encoded separately.

import { closeSync, openSync, readSync } from "node:fs";
import { UserError } from "@tessera/config";
import { reasonOf } from "@tessera/files";
import { findSplitPoint } from "./split_point.js";

const CHUNK_BYTES = 2 ** 20;
/** What is between two split points must fit in memory. */
const MAX_CHUNK_BYTES = 2 ** 30;

/** Length of the part of `bytes` that is a chunk; 0 asks for more text. */
export type FindSplit = (bytes: Uint8Array) => number;

/**
 * The bytes of `path` in chunks, each in memory of its own, split where `findSplit` says. Default: between words or
 * lines.
 *
 * @throws UserError for a file that cannot be read, or that has no split point for a GiB.
 */
export function* readChunks(
  path: string,
  findSplit: FindSplit = findSplitPoint,
  chunkBytes = CHUNK_BYTES,
): Generator<Uint8Array> {
  const file = open(path);
  try {
    let buffer = allocate(chunkBytes);
    let pending = 0; // bytes that wait for more
    for (;;) {
      const filled = pending + fill(file, buffer, pending, path);
      const isLast = filled < buffer.length;
      const end = isLast ? filled : findSplit(buffer);
      if (end === 0 && filled >= MAX_CHUNK_BYTES) {
        throw new UserError(`${path}: has no line or word to cut it at for a GiB, break it up`);
      }
      pending = filled - end;
      // Twice what is pending, so that a text without cuts is not read over and over.
      const next = allocate(isLast ? 0 : Math.max(chunkBytes, 2 * pending));
      next.set(buffer.subarray(end, filled));
      if (end > 0) yield buffer.subarray(0, end);
      if (isLast) return;
      buffer = next;
    }
  } finally {
    closeSync(file);
  }
}

/** Memory that is not cleared: it is written before it is read. */
const allocate = (bytes: number): Uint8Array => Buffer.allocUnsafeSlow(bytes);

function open(path: string): number {
  try {
    return openSync(path, "r");
  } catch (error) {
    throw new UserError(`${path}: cannot be read (${reasonOf(error)}), check the path`);
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
      throw new UserError(`${path}: cannot be read (${reasonOf(error)})`);
    }
  }
  return at - start;
}

/** Chunks end with a line. */
export const splitAfterLine: FindSplit = (bytes) => bytes.lastIndexOf(0x0a) + 1;
