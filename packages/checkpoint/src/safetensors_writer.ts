// Writes safetensors files.

import { closeSync, fsyncSync, openSync } from "node:fs";
import { writeError, writeFully } from "@tessera/files";
import { formats, type Dtype } from "./dtype.js";

/** Name and shape of a tensor. */
export interface TensorInfo {
  readonly name: string;
  readonly shape: readonly number[];
}

/** A tensor to be written. `values` is called when it is its turn. */
export interface TensorToWrite extends TensorInfo {
  readonly values: () => Float32Array;
}

/** How a file is written. */
export interface SafetensorsOptions {
  /** Default: none. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Default: F32. */
  readonly dtype?: Dtype;
}

/** Bytes of a tensor. */
export const tensorBytes = ({ shape }: TensorInfo, dtype: Dtype): number =>
  shape.reduce((a, b) => a * b, formats[dtype].bytes);

/** The header of a file in which the tensors follow in this order, without gaps. */
export function encodeHeader(
  tensors: readonly TensorInfo[],
  { metadata = {}, dtype = "F32" }: SafetensorsOptions = {},
): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let end = 0;
  for (const tensor of tensors) {
    const start = end;
    end += tensorBytes(tensor, dtype);
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
 * Writes tensors in this order, and waits until they are on the disk. Yields after each the bytes written so far; the
 * caller may stop there.
 *
 * @throws UserError where the file cannot be written.
 */
export function* writeSafetensorsSteps(
  path: string,
  tensors: readonly TensorToWrite[],
  options: SafetensorsOptions = {},
): Generator<number, void> {
  const { encode } = formats[options.dtype ?? "F32"];
  try {
    const descriptor = openSync(path, "w");
    try {
      writeFully(descriptor, encodeHeader(tensors, options));
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

/**
 * Writes tensors as fp32, in this order.
 *
 * @throws UserError where the file cannot be written.
 */
export function writeSafetensors(
  path: string,
  tensors: readonly TensorToWrite[],
  metadata: Readonly<Record<string, string>> = {},
): void {
  for (const _done of writeSafetensorsSteps(path, tensors, { metadata }));
}
