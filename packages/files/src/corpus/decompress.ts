// Compressed files as they are read.

import { Readable } from "node:stream";
import * as zlib from "node:zlib";
import { UserError } from "@tessera/config";
import { reasonOf } from "../reason.js";
import type { Compression } from "./kinds.js";

/** What `blocks` of the file at `path` are when they are decompressed. Throws a UserError where they are damaged. */
export async function* decompress(
  blocks: Iterable<Uint8Array>,
  compression: Exclude<Compression, null>,
  path: string,
): AsyncGenerator<Uint8Array> {
  const stream = Readable.from(blocks).pipe(createDecompressor(compression, path));
  try {
    for await (const block of stream) yield block as Uint8Array;
  } catch (error) {
    if (error instanceof UserError) throw error;
    const { code = "" } = error as NodeJS.ErrnoException;
    const reason = code === "Z_BUF_ERROR" ? "it ends too early" : reasonOf(error);
    throw new UserError(`${path}: cannot be decompressed (${reason}), check the file`);
  } finally {
    stream.destroy();
  }
}

/** Node has zstd since 22.15 and 23.8. */
const { createZstdDecompress } = zlib as { createZstdDecompress?: () => zlib.Gunzip };

function createDecompressor(compression: "gzip" | "zstd", path: string): zlib.Gunzip {
  if (compression === "gzip") return zlib.createGunzip();
  if (createZstdDecompress !== undefined) return createZstdDecompress();
  throw new UserError(
    `${path}: is compressed by zstd, which Node ${process.versions.node} does not read (22.15 and later do): ` +
      "decompress it by zstd -d, or compress it by gzip",
  );
}
