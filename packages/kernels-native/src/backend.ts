// The tfjs backend `native`: kernels for CPUs, on memory of this process.

import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { HostMemory } from "@tessera/kernels/memory";
import { NativeBackend, registerNativeBackend, type Addon } from "@tessera/native-backend";
import { findAddon, loadAddon } from "./addon.js";
import type { ThreadEnvironment } from "./threads.js";

export class CpuBackend extends NativeBackend implements HostMemory {
  constructor(addon: Addon) {
    super(addon, ["fp32", "bf16", "fp16"]);
  }

  /** Where the elements are, for as long as a tensor holds them. Native memory is never moved. */
  address(tensor: Pick<TensorInfo, "dataId">): number {
    return this.addon.address(this.slotOf(tensor));
  }

  copyOut(tensor: Pick<TensorInfo, "dataId">, into: Float32Array): void {
    this.addon.read(this.slotOf(tensor), into);
  }
}

/** Whether `loadNative` would find an addon that this machine can run. */
export const isAvailable = (): boolean => findAddon() !== null;

/**
 * Registers the backend `native` with the threads that `environment` (`process.env`) grants, and
 * returns true; returns false where no addon is built, and leaves tfjs as it was. `file` is the
 * addon, where it is not the one that `isAvailable` finds.
 */
export function loadNative(environment: ThreadEnvironment, file = findAddon()): boolean {
  if (file === null) return false;
  return registerNativeBackend("native", new CpuBackend(loadAddon(file, environment)));
}
