// Writing safetensors files of fp32 tensors.

import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { UserError } from "@tessera/config";

export interface Named {
  readonly name: string;
  readonly shape: readonly number[];
}

/** A tensor to be written; its values are asked for when their turn comes. */
export interface Written extends Named {
  readonly values: () => Float32Array;
}

/** What stands before the tensors, which lie in the order given without gaps. */
export function headerOf(
  tensors: readonly Named[],
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let end = 0;
  for (const { name, shape } of tensors) {
    const start = end;
    end += shape.reduce((a, b) => a * b, 4);
    header[name] = { dtype: "F32", shape, data_offsets: [start, end] };
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  // Spaces bring the first tensor to a multiple of 8 bytes.
  const length = Math.ceil(text.length / 8) * 8;
  const bytes = new Uint8Array(8 + length).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(text, 8);
  return bytes;
}

/** What a failure to write is to the user: a sentence that names the file. */
export function unwritten(path: string, error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === undefined || error instanceof UserError) return error;
  const why = code === "ENOSPC" ? "the disk is full" : code === "EFBIG" ? "it is too large" : code;
  return new UserError(`${path}: cannot be written (${why}); what was saved before is untouched`);
}

/** Writes fp32 tensors in the order given, and waits until they are on the disk. */
export function writeSafetensors(
  path: string,
  tensors: readonly Written[],
  metadata: Readonly<Record<string, string>> = {},
): void {
  try {
    const descriptor = openSync(path, "w");
    try {
      writeFully(descriptor, headerOf(tensors, metadata));
      for (const { values } of tensors) {
        const { buffer, byteOffset, byteLength } = values();
        writeFully(descriptor, new Uint8Array(buffer, byteOffset, byteLength));
      }
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    throw unwritten(path, error);
  }
}

function writeFully(descriptor: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) {
    done += writeSync(descriptor, bytes, done, Math.min(bytes.length - done, 2 ** 30));
  }
}
