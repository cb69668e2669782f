// The text of a file as bytes, decompressed, from wherever it comes. All that reads text to learn from reads it here.

import { isUtf8 } from "node:buffer";
import { closeSync, readSync } from "node:fs";
import { UserError } from "@tessera/config";
import { openFile } from "../open.js";
import { reasonOf } from "../reason.js";
import { decompress } from "./decompress.js";
import { detectCompression } from "./kinds.js";

const BLOCK_BYTES = 2 ** 18;

/** Some of a text. */
export interface TextBlock {
  readonly bytes: Uint8Array;
  /** Bytes of the file that were read for it and those before it: fewer, where it is compressed. */
  readonly read: number;
}

/**
 * The text in the file at `path`, which may be compressed by gzip or zstd, without a byte order mark.
 *
 * @throws UserError that names the file, where it cannot be read, or is of another kind, which it names.
 */
export async function* readBlocks(path: string): AsyncGenerator<TextBlock> {
  const descriptor = openFile(path, true);
  const progress = { read: 0 };
  try {
    const first = readBlock(descriptor, path);
    const blocks = readOn(first, descriptor, path, progress);
    const compression = detectCompression(first, path);
    const texts = compression === null ? blocks : decompress(blocks, compression, path);
    let isStart = true;
    for await (const text of texts) {
      if (text.length === 0) continue;
      if (isStart && compression !== null) detectCompression(text, path); // the kind of what was compressed
      const bytes = isStart && hasMark(text) ? text.subarray(3) : text;
      isStart = false;
      yield { bytes, read: progress.read };
    }
  } finally {
    closeSync(descriptor);
  }
}

function* readOn(
  first: Uint8Array,
  descriptor: number,
  path: string,
  progress: { read: number },
): Generator<Uint8Array> {
  for (let block = first; block.length > 0; block = readBlock(descriptor, path)) {
    progress.read += block.length;
    yield block;
  }
}

/** A full block, unless the file ends: a pipe gives a part at a time. */
function readBlock(descriptor: number, path: string): Uint8Array {
  const block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  let length = 0;
  while (length < block.length) {
    try {
      const read = readSync(descriptor, block, length, block.length - length, null);
      if (read === 0) break;
      length += read;
    } catch (error) {
      throw new UserError(`${path}: cannot be read (${reasonOf(error)})`);
    }
  }
  return block.subarray(0, length);
}

const hasMark = (bytes: Uint8Array): boolean =>
  bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;

/** Why `bytes` are no text, to end a sentence that begins with the name of the file; undefined where they are. */
export function findFault(bytes: Uint8Array): string | undefined {
  if (bytes.includes(0)) return "is binary (it has zero bytes), plain text in UTF-8 is needed";
  if (!isUtf8(bytes)) return "is not UTF-8, convert it (iconv -t UTF-8) or leave it out";
  return undefined;
}
