// Addresses of elements in this process's memory, for code beside tfjs that reads and writes tensors in
// place, as collectives do. A backend whose tensors are in host memory may offer it.

import { engine, type TensorInfo } from "@tensorflow/tfjs-core";
import type { Shape } from "./kernel.js";
import type { Storage } from "./storage.js";

/** A backend whose tensors are in this process's memory, where others may read and write them without a copy. */
export interface HostMemory {
  /** The address of the first element. Valid for as long as a tensor holds that data. */
  address(tensor: TensorInfo): number;
  /** Copies the elements of a 32-bit tensor, without an array in between. */
  copyOut(tensor: TensorInfo, into: Float32Array): void;
  /** A tensor with undefined contents. */
  allocate(shape: Shape, storage: Storage): TensorInfo;
}

/** The host memory of the current backend, or null where its tensors are elsewhere. */
export function hostMemory(): HostMemory | null {
  const backend = engine().backend as unknown as Partial<HostMemory>;
  const offered = backend.address && backend.allocate && backend.copyOut;
  return offered ? (backend as HostMemory) : null;
}
