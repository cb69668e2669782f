// How the elements of a tensor are stored. tfjs has no 16-bit dtype: a backend may store a float32 tensor
// in bf16 or fp16. Where the elements are in memory is another question: see host_memory.ts.

import { engine, type DataType, type TensorInfo } from "@tensorflow/tfjs-core";

/** How floating-point elements are stored: 32 or 16 bits. To tfjs each is `float32`. */
export type FloatStorage = "fp32" | "bf16" | "fp16";

/**
 * How weights are stored that are not trained. In `int8` each block of 64 consecutive elements has a scale in fp32, and
 * its elements are multiples of that from -127 to 127. To tfjs each is `float32`.
 */
export type WeightStorage = FloatStorage | "int8";

/** How the elements of a tensor are stored. */
export type Storage = WeightStorage | "int32" | "bool";

/** Every storage, in the order of their numbers in native code. */
export const STORAGES: readonly Storage[] = ["fp32", "int32", "bool", "bf16", "fp16", "int8"];

/** Elements of a block in int8, which share a scale. */
export const INT8_BLOCK = 64;

const BYTES: Readonly<Record<Exclude<Storage, "int8">, number>> = {
  fp32: 4,
  int32: 4,
  bool: 1,
  bf16: 2,
  fp16: 2,
};

/** Bytes of `size` elements. */
export const storageBytes = (storage: Storage, size: number): number =>
  storage === "int8"
    ? Math.ceil(size / INT8_BLOCK) * (INT8_BLOCK + BYTES.fp32)
    : BYTES[storage] * size;

/** Whether elements that are stored so are floating-point numbers. */
export const isFloatStorage = (storage: Storage): storage is FloatStorage =>
  storage === "fp32" || storage === "bf16" || storage === "fp16";

/** The dtype in tfjs of a tensor that is stored so. */
export const dtypeOf = (storage: Storage): DataType =>
  storage === "int32" || storage === "bool" ? storage : "float32";

/** The storage of a dtype on backends that know nothing else; null for strings and complex numbers. */
export function storageOfDtype(dtype: DataType): Storage | null {
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

/** What a backend offers that stores float32 tensors in 16 bits too. */
export interface StorageBackend {
  /** Null for strings and complex numbers. */
  storageOf(tensor: Pick<TensorInfo, "dataId">): Storage | null;
  /** Whether float tensors can be stored so. */
  supports(storage: WeightStorage): boolean;
}

function storageBackend(): StorageBackend | null {
  const backend = engine().backend as unknown as Partial<StorageBackend>;
  return backend.storageOf && backend.supports ? (backend as StorageBackend) : null;
}

/** How the current backend stores `tensor`; null for strings and complex numbers. */
export const storageOf = (tensor: Pick<TensorInfo, "dataId" | "dtype">): Storage | null => {
  const backend = storageBackend();
  return backend === null ? storageOfDtype(tensor.dtype) : backend.storageOf(tensor);
};

/** Whether the current backend can store float tensors so. Every backend has fp32. */
export const supportsStorage = (storage: WeightStorage): boolean =>
  storage === "fp32" || (storageBackend()?.supports(storage) ?? false);
