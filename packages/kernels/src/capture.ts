// Calls of kernels that are made again without JavaScript between them, as CUDA graphs are replayed: where kernels take
// some microseconds, as in decoding, calling them takes as long.

import { engine, type TensorInfo } from "@tensorflow/tfjs-core";

/** What was computed while its calls were captured, and how it is computed again in the same memory. */
export interface Captured<T> {
  readonly result: T;
  /** Whether JavaScript has read no tensor meanwhile. Else a replay may lack what it made of that. */
  readonly isWhole: boolean;
  /**
   * Makes all calls again, with `varying` in place of the list that was captured, which has as many numbers. Reads the
   * tensors that the calls read, and writes those that they wrote, which must be there still.
   */
  replay(varying: readonly number[]): void;
  /** Frees the memory of all tensors in between. */
  dispose(): void;
}

/** A backend that captures calls. */
export interface CaptureBackend {
  /**
   * Computes, and captures the calls of kernels. An attribute that is the list `varying` itself may be another one in a
   * replay. What is computed in JavaScript is not computed again.
   */
  capture<T>(varying: readonly number[], compute: () => T): Captured<T>;
  /** Gives a tensor other values. */
  overwrite(tensor: Pick<TensorInfo, "dataId">, values: Int32Array | Float32Array): void;
}

/** The current backend, or null where it captures nothing. */
export function captureBackend(): CaptureBackend | null {
  const backend = engine().backend as unknown as Partial<CaptureBackend>;
  return backend.capture && backend.overwrite ? (backend as CaptureBackend) : null;
}
