// Writing safetensors files.

import { closeSync, fsyncSync, openSync } from "node:fs";
import { writeError, writeFully } from "@tessera/files";
import { formats, type Dtype } from "./dtype.js";

export interface Named {
  readonly name: string;
  readonly shape: readonly number[];
}

/** A tensor to be written; its values are asked for when their turn comes. */
export interface TensorToWrite extends Named {
  readonly values: () => Float32Array;
}

export interface SafetensorsOptions {
  readonly metadata?: Readonly<Record<string, string>>;
  /** How the values are stored. */
  readonly dtype?: Dtype;
}

export const bytesOf = ({ shape }: Named, dtype: Dtype): number =>
  shape.reduce((a, b) => a * b, formats[dtype].bytes);

/** What stands before the tensors, which lie in the order given without gaps. */
export function headerOf(
  tensors: readonly Named[],
  { metadata = {}, dtype = "F32" }: SafetensorsOptions = {},
): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let end = 0;
  for (const tensor of tensors) {
    const start = end;
    end += bytesOf(tensor, dtype);
    header[tensor.name] = { dtype, shape: tensor.shape, data_offsets: [start, end] };
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  // Spaces bring the first tensor to a multiple of 8 bytes.
  const length = Math.ceil(text.length / 8) * 8;
  const bytes = new Uint8Array(8 + length).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(text, 8);
  return bytes;
}

/**
 * Writes tensors in the order given, and waits until they are on the disk. After each it yields how many
 * bytes of tensors are written, and may be left.
 */
export function* writingSafetensors(
  path: string,
  tensors: readonly TensorToWrite[],
  options: SafetensorsOptions = {},
): Generator<number, void> {
  const { encode } = formats[options.dtype ?? "F32"];
  try {
    const descriptor = openSync(path, "w");
    try {
      writeFully(descriptor, headerOf(tensors, options));
      let done = 0;
      for (const { values } of tensors) {
        const bytes = encode(values());
        writeFully(descriptor, bytes);
        done += bytes.length;
        yield done;
      }
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    throw writeError(path, error);
  }
}

/** The same at once. */
export function writeSafetensors(
  path: string,
  tensors: readonly TensorToWrite[],
  metadata: Readonly<Record<string, string>> = {},
): void {
  for (const _done of writingSafetensors(path, tensors, { metadata }));
}
