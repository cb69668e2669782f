// Digests of data, by which a resumed run notices that its data is not what it was.

import { createHash } from "node:crypto";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

/** Digits of a digest that are kept: enough to tell runs apart, and short enough to be shown. */
const DIGITS = 16;

/** Of token ids in memory: all of them. */
export const digestTokens = (tokens: ArrayBufferView): string =>
  createHash("sha256")
    .update(new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength))
    .digest("hex")
    .slice(0, DIGITS);

const BLOCK_BYTES = 2 ** 16;

/**
 * Of files: their sizes, and all of a file of up to `blocks` blocks of 64 KiB. Of a larger one so many blocks, evenly
 * spaced from its first to its last, as ranks should not read terabytes to begin.
 */
export function digestFiles(paths: readonly string[], blocks: number): string {
  const hash = createHash("sha256");
  const buffer = Buffer.alloc(BLOCK_BYTES);
  for (const path of paths) {
    const file = openSync(path, "r");
    try {
      const { size } = fstatSync(file);
      hash.update(`${size}\n`);
      const count = Math.min(blocks, Math.ceil(size / BLOCK_BYTES));
      const last = Math.max(0, size - BLOCK_BYTES);
      for (let block = 0; block < count; block += 1) {
        const at =
          size <= blocks * BLOCK_BYTES
            ? block * BLOCK_BYTES
            : Math.floor((last * block) / (count - 1));
        hash.update(buffer.subarray(0, readSync(file, buffer, 0, BLOCK_BYTES, at)));
      }
    } finally {
      closeSync(file);
    }
  }
  return hash.digest("hex").slice(0, DIGITS);
}
