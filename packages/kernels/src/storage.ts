// How the elements of a tensor are stored. tfjs has no 16-bit dtype: a backend may store a float32 tensor
// in bf16 or fp16. Where the elements are in memory is another question: see host_memory.ts.

import { engine, type DataType, type TensorInfo } from "@tensorflow/tfjs-core";

/** How floating-point elements are stored: 32 or 16 bits. To tfjs each is `float32`. */
export type FloatStorage = "fp32" | "bf16" | "fp16";

/** How the elements of a tensor are stored. */
export type Storage = FloatStorage | "int32" | "bool";

/** Every storage, in the order of their numbers in native code. */
export const STORAGES: readonly Storage[] = ["fp32", "int32", "bool", "bf16", "fp16"];

const BYTES: Readonly<Record<Storage, number>> = { fp32: 4, int32: 4, bool: 1, bf16: 2, fp16: 2 };

/** Bytes of `size` elements. */
export const storageBytes = (storage: Storage, size: number): number => BYTES[storage] * size;

/** Whether elements that are stored so are floating-point numbers. */
export const isFloatStorage = (storage: Storage): storage is FloatStorage =>
  storage !== "int32" && storage !== "bool";

/** The dtype in tfjs of a tensor that is stored so. */
export const dtypeOf = (storage: Storage): DataType =>
  isFloatStorage(storage) ? "float32" : storage;

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
  /** Whether activations can be stored so. */
  supports(storage: FloatStorage): boolean;
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

/** Whether the current backend can store activations so. Every backend has fp32. */
export const supportsStorage = (storage: FloatStorage): boolean =>
  storage === "fp32" || (storageBackend()?.supports(storage) ?? false);
