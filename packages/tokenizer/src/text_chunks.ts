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
  cut: Cut = lastCut,
  chunkBytes = CHUNK_BYTES,
): Generator<Uint8Array> {
  const file = open(path);
  try {
    let pending: Uint8Array = new Uint8Array();
    for (;;) {
      // Twice what is pending, so that a text without cuts is not read over and over.
      const buffer = new Uint8Array(Math.max(chunkBytes, 2 * pending.length));
      buffer.set(pending);
      const read = fill(file, buffer, pending.length, path);
      const bytes = buffer.subarray(0, pending.length + read);
      const isLast = bytes.length < buffer.length;
      if (isLast && bytes.length > 0) yield bytes.slice();
      if (isLast) return;
      const end = cut(bytes);
      if (end === 0 && bytes.length >= MAX_CHUNK_BYTES) {
        throw new UserError(`${path}: has no line or word to cut it at for a GiB, break it up`);
      }
      if (end > 0) yield bytes.slice(0, end);
      pending = bytes.slice(end);
    }
  } finally {
    closeSync(file);
  }
}

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
