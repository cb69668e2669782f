// Tensors of a kernel's own.

import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { TensorFlowBackend } from "./backend.js";

/** What is disposed when a kernel's work is done. */
export class Scratch {
  private readonly held: TensorInfo[] = [];

  constructor(private readonly backend: TensorFlowBackend) {}

  hold(tensor: TensorInfo): TensorInfo {
    this.held.push(tensor);
    return tensor;
  }

  release(): void {
    for (const { dataId } of this.held) this.backend.disposeData(dataId);
  }
}
