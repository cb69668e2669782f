// The memory behind one tfjs data id. Values that came from JavaScript stay there until a native
// kernel needs them; what a native kernel made stays native until JavaScript reads it.

import type { backend_util, DataType, TensorInfo } from "@tensorflow/tfjs-core";
import type { Storage } from "@tessera/kernels";
import type { Addon } from "./addon.js";
import { arrayFor, bytesOf, storageOf, type NativeValues } from "./storage.js";

type Values = backend_util.BackendValues;

/** Where native memory comes from. */
export interface Source {
  readonly addon: Addon;
  /** Reads 16-bit floats as fp32. */
  widen(data: TensorData): Float32Array;
}

export class TensorData {
  /** tfjs counts the tensors that share this memory. */
  refCount = 1;
  /** Set by tfjs's complex kernels: the tensors that hold the two parts. */
  declare complexTensorInfos?: { real: TensorInfo; imag: TensorInfo };

  private constructor(
    private readonly source: Source,
    readonly dtype: DataType,
    readonly storage: Storage | null,
    readonly size: number,
    private home: { readonly values: Values | undefined } | { readonly slot: number },
  ) {}

  /** Borrows `values`, as tfjs's CPU backend does. */
  static ofValues(
    source: Source,
    dtype: DataType,
    size: number,
    values: Values | undefined,
  ): TensorData {
    return new TensorData(source, dtype, storageOf(dtype), size, { values });
  }

  /** Native memory with undefined contents. */
  static allocate(source: Source, dtype: DataType, storage: Storage, size: number): TensorData {
    const slot = source.addon.allocate(bytesOf(storage, size));
    return new TensorData(source, dtype, storage, size, { slot });
  }

  /** What tfjs's CPU kernels read: a copy where the memory is native. */
  get values(): Values {
    // Complex tensors have none; their kernels know and do not look.
    if ("values" in this.home) return this.home.values!;
    if (this.storage === "bf16" || this.storage === "fp16") return this.source.widen(this);
    const copy = arrayFor(this.storage!, this.size);
    this.source.addon.read(this.home.slot, copy);
    return copy;
  }

  /** The native memory, filled from JavaScript's values where that is where they are. */
  slot(): number {
    if ("slot" in this.home) return this.home.slot;
    if (this.storage === null) throw new Error(`a ${this.dtype} tensor has no native memory`);
    const slot = this.source.addon.allocate(bytesOf(this.storage, this.size));
    if (this.home.values !== undefined)
      this.source.addon.write(slot, this.asStored(this.home.values));
    this.home = { slot };
    return slot;
  }

  private asStored(values: Values): NativeValues {
    const array = arrayFor(this.storage!, 0);
    if (Object.prototype.toString.call(values) === Object.prototype.toString.call(array)) {
      return values as NativeValues;
    }
    const copy = arrayFor(this.storage!, values.length);
    copy.set(values as ArrayLike<number>);
    return copy;
  }

  release(): void {
    if ("slot" in this.home) this.source.addon.release(this.home.slot);
    this.home = { values: undefined };
  }
}
