// Tensors as the memory that an engine reads and writes: in place where the backend's memory and the
// engine are native, through arrays of JavaScript elsewhere.

import { engine, keep, tensor, type Tensor } from "@tensorflow/tfjs-core";
import { call, convert } from "@tessera/kernels";
import type { Shape } from "@tessera/kernels/contract";
import {
  dtypeOf,
  hostMemory,
  storageOf as storageOnBackend,
  type Storage,
} from "@tessera/kernels/memory";
import type { Elements, Values } from "./engine.js";

/** Memory lent to an engine until `release`. */
export interface Lent {
  readonly elements: Elements;
  release(): void;
}

/** Memory for an engine to fill; `take` makes it the caller's tensor. */
export interface Blank {
  readonly elements: Elements;
  take(): Tensor;
}

/** How x is stored. Throws for what ranks cannot exchange. */
export function storageOf(x: Tensor): Storage {
  const storage = storageOnBackend(x);
  if (storage !== null) return storage;
  throw new TypeError(`a ${x.dtype} tensor cannot be sent to other ranks`);
}

/** 16-bit floats are staged as fp32: the engine adds in fp32 anyway. */
const staged = (storage: Storage): Storage => (dtypeOf(storage) === "float32" ? "fp32" : storage);

/** x, which is kept alive but not copied where its memory is native. */
export function lend(x: Tensor, native: boolean): Lent {
  const host = native ? hostMemory() : null;
  const storage = storageOf(x);
  if (host === null) {
    const memory = x.dataSync<"float32" | "int32">() as Values;
    return {
      elements: { storage: staged(storage), size: x.size, memory },
      release: () => undefined,
    };
  }
  const held = keep(x.clone()); // outlives the tidy that it is called in
  const memory = x.size === 0 ? 0 : host.address(held);
  return { elements: { storage, size: x.size, memory }, release: () => held.dispose() };
}

export function blank(shape: Shape, storage: Storage, native: boolean): Blank {
  const size = shape.reduce((a, b) => a * b, 1);
  const host = native ? hostMemory() : null;
  if (host === null) {
    const memory = arrayFor(storage, size);
    const take = () => stored(tensor(memory, [...shape], dtypeOf(storage)), storage);
    return { elements: { storage: staged(storage), size, memory }, take };
  }
  const info = host.allocate(shape, storage);
  const memory = size === 0 ? 0 : host.address(info);
  return {
    elements: { storage, size, memory },
    take: () => engine().makeTensorFromTensorInfo(info),
  };
}

function arrayFor(storage: Storage, size: number): Values {
  if (storage === "int32") return new Int32Array(size);
  return storage === "bool" ? new Uint8Array(size) : new Float32Array(size);
}

function stored(x: Tensor, storage: Storage): Tensor {
  if (storage !== "bf16" && storage !== "fp16") return x;
  const { y } = call(convert, { x }, { storage });
  x.dispose();
  return y;
}
