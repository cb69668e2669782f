// Tensors as the memory that an engine reads and writes: in place where both backend and engine are native, else
// through arrays.

import { engine, keep, tensor, type Tensor } from "@tensorflow/tfjs-core";
import { call, convert } from "@tessera/kernels";
import { sizeOf, type Shape } from "@tessera/kernels/contract";
import { dtypeOf, hostMemory, storageOf as storageOnBackend } from "@tessera/kernels/memory";
import type { Elements, Values } from "./engine.js";
import type { SentStorage } from "./group.js";

/** A tensor's memory for an engine to read, valid until `release`. */
export interface StagedInput {
  readonly elements: Elements;
  release(): void;
}

/** Memory for an engine to write. */
export interface StagedOutput {
  readonly elements: Elements;
  /** The memory as a tensor, which the caller owns. Called once. */
  take(): Tensor;
}

/**
 * The storage of x.
 * @throws TypeError for a dtype that cannot be sent.
 */
export function storageOf(x: Tensor): SentStorage {
  const storage = storageOnBackend(x);
  if (storage !== null && storage !== "int8") return storage;
  throw new TypeError(`a tensor of ${storage ?? x.dtype} cannot be sent to other ranks`);
}

/** The storage in arrays: 16-bit floats are staged as fp32, in which they are summed anyway. */
const arrayStorage = (storage: SentStorage): SentStorage =>
  dtypeOf(storage) === "float32" ? "fp32" : storage;

/** The memory of x, not copied where it is native. Borrows x, and keeps its memory alive. */
export function stageInput(x: Tensor, native: boolean): StagedInput {
  const host = native ? hostMemory() : null;
  const storage = storageOf(x);
  if (host === null) {
    const memory = x.dataSync<"float32" | "int32">() as Values;
    return {
      elements: { storage: arrayStorage(storage), size: x.size, memory },
      release: () => undefined,
    };
  }
  const kept = keep(x.clone()); // outlives an enclosing tidy
  const memory = x.size === 0 ? 0 : host.address(kept);
  return { elements: { storage, size: x.size, memory }, release: () => kept.dispose() };
}

/** Memory for a tensor of `shape` and `storage`. */
export function stageOutput(shape: Shape, storage: SentStorage, native: boolean): StagedOutput {
  const size = sizeOf(shape);
  const host = native ? hostMemory() : null;
  if (host === null) {
    const memory = createArray(storage, size);
    const take = () => convertTo(tensor(memory, [...shape], dtypeOf(storage)), storage);
    return { elements: { storage: arrayStorage(storage), size, memory }, take };
  }
  const info = host.allocate(shape, storage);
  const memory = size === 0 ? 0 : host.address(info);
  return {
    elements: { storage, size, memory },
    take: () => engine().makeTensorFromTensorInfo(info),
  };
}

/** The memory of x, which is fp32, for an engine to read and write; `take` returns it as a tensor. Consumes x. */
export function stageInPlace(x: Tensor, native: boolean): StagedOutput {
  const staged = stageInput(x, native);
  const { elements } = staged;
  const kept = keep(x.clone()); // outlives an enclosing tidy
  x.dispose();
  staged.release();
  const take = (made: Tensor): Tensor => {
    kept.dispose();
    return made;
  };
  const { memory } = elements;
  if (typeof memory === "number") return { elements, take: () => take(kept.clone()) };
  const copy = memory.slice(); // a backend's own array may be what it has read
  return {
    elements: { ...elements, memory: copy },
    take: () => take(tensor(copy, [...kept.shape])),
  };
}

function createArray(storage: SentStorage, size: number): Values {
  if (storage === "int32") return new Int32Array(size);
  return storage === "bool" ? new Uint8Array(size) : new Float32Array(size);
}

/** x in `storage`. Consumes x. */
function convertTo(x: Tensor, storage: SentStorage): Tensor {
  if (storage !== "bf16" && storage !== "fp16") return x;
  const { y } = call(convert, { x }, { storage });
  x.dispose();
  return y;
}
