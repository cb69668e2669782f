// Where a tensor's elements lie, for code beside tfjs that reads and writes them in place, as
// collectives do. A backend whose tensors lie in this process's memory may offer it.

import { engine, type DataType, type TensorInfo } from "@tensorflow/tfjs-core";
import type { FloatStorage } from "./convert.js";
import type { Shape } from "./kernel.js";

/** How the elements of a tensor lie in memory. */
export type Storage = FloatStorage | "int32" | "bool";

export interface HostMemory {
  /** Null where the tensor has no such memory (strings). */
  storage(tensor: TensorInfo): Storage | null;
  /** The address of the first element: good for as long as a tensor holds that data. */
  address(tensor: TensorInfo): number;
  /** Copies the elements of a 32-bit tensor, without an array in between. */
  copyOut(tensor: TensorInfo, into: Float32Array): void;
  /** A tensor with undefined contents. */
  allocate(shape: Shape, storage: Storage): TensorInfo;
}

/** The memory of the backend that computes now, or null where it lies elsewhere. */
export function hostMemory(): HostMemory | null {
  const backend = engine().backend as unknown as Partial<HostMemory>;
  const offered = backend.storage && backend.address && backend.allocate && backend.copyOut;
  return offered ? (backend as HostMemory) : null;
}

export const dtypeOf = (storage: Storage): DataType =>
  storage === "int32" || storage === "bool" ? storage : "float32";
