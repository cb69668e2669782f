// How the elements of a tensor lie in native memory. tfjs knows no 16-bit dtype: a `float32` tensor
// may be stored in 16 bits, and is brought back to 32 when JavaScript reads it.

import type { DataType } from "@tensorflow/tfjs-core";
import type { FloatStorage, Storage } from "@tessera/kernels/memory";

/** In the order of `Type` in native/kernel.h. */
export const STORAGES: readonly Storage[] = ["fp32", "int32", "bool", "bf16", "fp16"];

export const isFloat = (storage: Storage): storage is FloatStorage =>
  storage !== "int32" && storage !== "bool";

const BYTES: Readonly<Record<Storage, number>> = { fp32: 4, int32: 4, bool: 1, bf16: 2, fp16: 2 };

export const bytesOf = (storage: Storage, size: number): number => BYTES[storage] * size;

/** The storage of a dtype that came from JavaScript; null for those that stay there. */
export function storageOf(dtype: DataType): Storage | null {
  switch (dtype) {
    case "float32":
      return "fp32";
    case "int32":
    case "bool":
      return dtype;
    case "string":
    case "complex64":
      return null;
  }
}

export type NativeValues = Float32Array | Int32Array | Uint8Array;

/** A typed array for elements of `storage`, 16-bit ones excepted. */
export function arrayFor(storage: Storage, size: number): NativeValues {
  switch (storage) {
    case "fp32":
      return new Float32Array(size);
    case "int32":
      return new Int32Array(size);
    case "bool":
      return new Uint8Array(size);
    case "bf16":
    case "fp16":
      throw new Error(`${storage} has no typed array: convert to fp32 before reading`);
  }
}
