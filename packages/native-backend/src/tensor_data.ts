// The memory behind one tfjs data id. Values that came from JavaScript stay there until a native
// kernel needs them; what a native kernel computed stays native until JavaScript reads it.

import {
  DataStorage,
  engine,
  type backend_util,
  type DataId,
  type DataType,
  type KernelBackend,
  type TensorInfo,
} from "@tensorflow/tfjs-core";
import { STORAGES, storageBytes, type Storage } from "@tessera/kernels/memory";
import type { NativeMemory, NativeValues } from "./native_memory.js";

type Values = backend_util.BackendValues;

/** The backend that tensor data belong to. */
export interface DataOwner {
  readonly memory: NativeMemory;
  /** Reads floats in 16 or 8 bits as fp32. */
  readAsFp32(data: TensorData): Float32Array;
}

/** The data of a tensor, and its tfjs data id: no table has to be searched for it. */
export class TensorData {
  /** tfjs counts the tensors that share this memory. */
  refCount = 1;
  /** Set by tfjs's complex kernels: the tensors that hold the two parts. */
  declare complexTensorInfos?: { real: TensorInfo; imag: TensorInfo };
  /** The number of the storage in native code. */
  readonly storageIndex: number;
  /** The slot of native memory; undefined while the values are in JavaScript. */
  private block: number | undefined;
  private isReleased = false;

  /** Borrows `borrowed`, as tfjs's CPU backend does. Without it, the contents are undefined. */
  constructor(
    private readonly owner: DataOwner,
    readonly dtype: DataType,
    readonly storage: Storage | null,
    readonly size: number,
    private borrowed?: Values,
  ) {
    this.storageIndex = storage === null ? -1 : STORAGES.indexOf(storage);
  }

  /** What tfjs's CPU kernels read: a copy where the memory is native. */
  get values(): Values {
    // Complex tensors have none; their kernels know and do not look.
    if (this.block === undefined) return this.borrowed!;
    if (this.storage === "bf16" || this.storage === "fp16" || this.storage === "int8")
      return this.owner.readAsFp32(this);
    const copy = arrayFor(this.storage!, this.size);
    this.owner.memory.read(this.block, copy);
    return copy;
  }

  /** The native memory, filled from JavaScript's values where that is where they are. */
  slot(): number {
    if (this.block !== undefined) return this.block;
    if (this.storage === null) throw new Error(`a ${this.dtype} tensor has no native memory`);
    this.block = this.owner.memory.allocate(storageBytes(this.storage, this.size));
    if (this.borrowed !== undefined)
      this.owner.memory.write(this.block, this.asStored(this.borrowed));
    this.borrowed = undefined;
    return this.block;
  }

  /** Takes ownership of a block that native code allocated for this data. */
  adopt(slot: number): this {
    this.block = slot;
    return this;
  }

  release(): void {
    if (this.block !== undefined) this.owner.memory.release(this.block);
    this.block = undefined;
    this.borrowed = undefined;
    this.isReleased = true;
  }

  /** Whether these are data of `owner` that it has not released. */
  isHeldBy(owner: DataOwner): boolean {
    return this.owner === owner && !this.isReleased;
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
}

/** A typed array for elements of `storage`, of floats in 16 or 8 bits excepted. */
function arrayFor(storage: Storage, size: number): NativeValues {
  switch (storage) {
    case "fp32":
      return new Float32Array(size);
    case "int32":
      return new Int32Array(size);
    case "bool":
      return new Uint8Array(size);
    case "bf16":
    case "fp16":
    case "int8":
      throw new Error(`${storage} has no typed array: convert to fp32 before reading`);
  }
}

/**
 * Finds data by its id, which is the data itself unless the tensor came from another backend. tfjs moves
 * tensors between backends under the id that they were born with.
 */
export class TensorDataStorage extends DataStorage<TensorData> {
  private ownIds = 0;

  constructor(
    backend: KernelBackend,
    private readonly owner: DataOwner,
  ) {
    super(backend, engine());
  }

  private isOwn(id: DataId): id is TensorData {
    return id instanceof TensorData && id.isHeldBy(this.owner);
  }

  override get(id: DataId): TensorData {
    return this.isOwn(id) ? id : super.get(id);
  }

  override set(id: DataId, data: TensorData): void {
    if (id === data) this.ownIds += 1;
    else super.set(id, data);
  }

  override has(id: DataId): boolean {
    return this.isOwn(id) || super.has(id);
  }

  /** Releases the memory too. */
  override delete(id: DataId): boolean {
    const isOwn = this.isOwn(id);
    this.get(id).release();
    if (!isOwn) return super.delete(id);
    this.ownIds -= 1;
    return true;
  }

  override numDataIds(): number {
    return this.ownIds + super.numDataIds();
  }
}
