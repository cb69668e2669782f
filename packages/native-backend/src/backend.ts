// A tfjs backend on a native addon: memory and hot kernels are native. Every other kernel is the one of
// tfjs's CPU backend, which this class extends because those kernels reach into its data.

import { MathBackendCPU } from "@tensorflow/tfjs-backend-cpu";
import {
  util,
  type backend_util,
  type DataId,
  type DataType,
  type TensorInfo,
} from "@tensorflow/tfjs-core";
import type { Attributes, Shape } from "@tessera/kernels/contract";
import {
  dtypeOf,
  isFloatStorage,
  storageOfDtype,
  type Captured,
  type CaptureBackend,
  type Storage,
  type StorageBackend,
  type WeightStorage,
} from "@tessera/kernels/memory";
import type { Addon, MemoryFigures } from "./addon.js";
import { CapturedCalls } from "./captured_calls.js";
import { indexContracts, type IndexedContract } from "./indexed_contract.js";
import { NativeMemory } from "./native_memory.js";
import { CallPacker, NO_SLOT } from "./pack_call.js";
import { TensorData, TensorDataStorage, type DataOwner } from "./tensor_data.js";

/** The tensors of a call, or lists of them, by the names of the kernel's contract. */
export type Inputs = Readonly<Record<string, TensorInfo | readonly TensorInfo[] | undefined>>;

/** Shape and dtype of a tensor that a call returns. */
export interface OutputInfo {
  readonly shape: Shape;
  readonly dtype: DataType;
}

/** An output of a call: new memory, or that of an input. */
interface CallOutput {
  readonly info: TensorInfo;
  readonly data: TensorData;
  readonly isNew: boolean;
}

/**
 * A tfjs backend over an addon: tensors are in the addon's memory, kernels that it has run there, all others on tfjs's
 * CPU backend.
 */
export class NativeBackend extends MathBackendCPU implements StorageBackend, CaptureBackend {
  readonly contracts: ReadonlyMap<string, IndexedContract>;
  private readonly packer = new CallPacker();
  private readonly owner: DataOwner;
  private capturing: CapturedCalls | null = null;

  /** `storages`: how float tensors can be stored. */
  constructor(
    protected readonly addon: Addon,
    private readonly storages: readonly WeightStorage[],
  ) {
    super();
    this.contracts = indexContracts(addon.contract());
    this.owner = {
      memory: new NativeMemory(addon),
      readAsFp32: (data) => this.readAsFp32(data),
    };
    // tfjs knows no other data than its own.
    this.data = new TensorDataStorage(this, this.owner);
  }

  override write(values: backend_util.BackendValues, shape: number[], dtype: DataType): DataId {
    const data = this.borrow(values, shape, dtype);
    this.tensorData.set(data, data);
    return data;
  }

  override move(
    dataId: DataId,
    values: backend_util.BackendValues,
    shape: number[],
    dtype: DataType,
    refCount: number,
  ): void {
    const data = this.borrow(values, shape, dtype);
    data.refCount = refCount;
    this.tensorData.set(dataId, data);
  }

  override memory(): MemoryFigures & { unreliable: boolean; reasons: string[] } {
    this.owner.memory.flush();
    return { unreliable: false, reasons: [], ...this.addon.memory() };
  }

  /** Counts the peak of `memory()` from what is held now. */
  resetPeakMemory(): void {
    this.owner.memory.flush();
    this.addon.resetPeakMemory();
  }

  /** How often JavaScript has read a tensor of native memory, kernels of tfjs's CPU backend included. */
  get hostReads(): number {
    return this.owner.memory.reads;
  }

  storageOf(tensor: Pick<TensorInfo, "dataId">): Storage | null {
    return this.dataOf(tensor).storage;
  }

  supports(storage: WeightStorage): boolean {
    return this.storages.includes(storage);
  }

  /** A tensor whose contents are undefined. */
  allocate(shape: Shape, storage: Storage): TensorInfo {
    const data = this.newData(shape, storage);
    data.slot();
    this.tensorData.set(data, data);
    return { dataId: data, shape: [...shape], dtype: data.dtype };
  }

  /** The native memory of a tensor, filled from JavaScript's values where that is where they are. */
  protected slotOf(tensor: Pick<TensorInfo, "dataId">): number {
    return this.dataOf(tensor).slot();
  }

  /**
   * Runs the native kernel `name`. Outputs are in the order of the contract: those of its lists, then the
   * others, without absent optional ones. They are fp32 where the kernel says so, or have the storage
   * that the attribute `storage` names, or that of the first float input.
   */
  run(
    name: string,
    inputs: Inputs,
    outputs: readonly OutputInfo[],
    attributes: Attributes = {},
  ): TensorInfo[] {
    const contract = this.contracts.get(name);
    if (contract === undefined) throw new Error(`the addon has no kernel ${name}`);
    const given = flatten(contract, inputs);
    const storage = this.outputStorage(given, attributes);
    const results = outputs.map((info, i) => {
      const { over, isFp32 } = outputAt(contract, inputs, i);
      return over === undefined
        ? this.newOutput(info, isFp32 ? "fp32" : storage)
        : this.reuse(over);
    });
    this.runPacked(contract, given, results, attributes);
    return results.map(({ info }) => info);
  }

  capture<T>(varying: readonly number[], compute: () => T): Captured<T> {
    const { memory } = this.owner;
    const calls = new CapturedCalls(varying);
    const { reads } = memory;
    // What is released in between is written again by each replay.
    memory.hold();
    this.capturing = calls;
    const release = (slots: readonly number[]) => slots.forEach((slot) => memory.release(slot));
    try {
      const result = compute();
      const held = memory.takeHeld();
      const replay = (list: readonly number[]) => this.addon.runAll(calls.with(list));
      const isWhole = memory.reads === reads;
      return { result, isWhole, replay, dispose: () => release(held) };
    } finally {
      this.capturing = null;
      // Nothing, unless the computation failed.
      release(memory.takeHeld());
    }
  }

  overwrite(tensor: Pick<TensorInfo, "dataId">, values: Int32Array | Float32Array): void {
    const { storage, size } = this.dataOf(tensor);
    const own = values instanceof Int32Array ? "int32" : "fp32";
    if (storage !== own || size !== values.length) {
      throw new Error(`${values.length} values in ${own} for ${size} in ${storage}`);
    }
    this.addon.write(this.slotOf(tensor), values);
  }

  private runPacked(
    contract: IndexedContract,
    inputs: readonly (TensorInfo | undefined)[],
    outputs: readonly CallOutput[],
    attributes: Attributes,
  ): void {
    // First, for this may call native code too.
    const slots = inputs.map((input) => (input === undefined ? NO_SLOT : this.slotOf(input)));
    const { packer } = this;
    packer.start(this.owner.memory.takeReleased());
    packer.header(contract.index, inputs.length, outputs.length, contract.attributes.length);
    inputs.forEach((input, i) => {
      if (input === undefined) packer.absent();
      else packer.tensor(slots[i]!, this.dataOf(input).storageIndex, input.shape);
    });
    const positions = outputs.map(({ data, info, isNew }) =>
      packer.tensor(isNew ? NO_SLOT : data.slot(), data.storageIndex, info.shape),
    );
    const places: number[] = [];
    for (const name of contract.attributes) {
      const place = packer.attribute(attributes[name]!);
      if (attributes[name] === this.capturing?.varying) places.push(place);
    }
    this.addon.run(packer.numbers);
    this.capturing?.add(packer.copy(), places);
    outputs.forEach(({ data, isNew }, i) => {
      if (!isNew) data.refCount += 1;
      else this.tensorData.set(data, data.adopt(packer.numbers[positions[i]!]!));
    });
  }

  private outputStorage(
    inputs: readonly (TensorInfo | undefined)[],
    attributes: Attributes,
  ): WeightStorage {
    if (attributes["storage"] !== undefined) return attributes["storage"] as WeightStorage;
    for (const input of inputs) {
      const storage = input && this.storageOf(input);
      if (storage && isFloatStorage(storage)) return storage;
    }
    return "fp32";
  }

  private newOutput({ shape, dtype }: OutputInfo, storage: WeightStorage): CallOutput {
    const data = this.newData(shape, dtype === "float32" ? storage : storageOfDtype(dtype)!);
    return { info: { dataId: data, shape: [...shape], dtype }, data, isNew: true };
  }

  private reuse({ dataId, shape, dtype }: TensorInfo): CallOutput {
    const data = this.tensorData.get(dataId);
    return { info: { dataId, shape, dtype }, data, isNew: false };
  }

  private newData(shape: Shape, storage: Storage): TensorData {
    return new TensorData(this.owner, dtypeOf(storage), storage, util.sizeFromShape([...shape]));
  }

  private borrow(values: backend_util.BackendValues, shape: number[], dtype: DataType): TensorData {
    const size = util.sizeFromShape(shape);
    return new TensorData(this.owner, dtype, storageOfDtype(dtype), size, values);
  }

  private get tensorData(): TensorDataStorage {
    return this.data as unknown as TensorDataStorage;
  }

  private dataOf({ dataId }: Pick<TensorInfo, "dataId">): TensorData {
    return this.tensorData.get(dataId);
  }

  private readAsFp32(data: TensorData): Float32Array {
    const x = { dataId: data, shape: [data.size], dtype: data.dtype };
    const output = { shape: x.shape, dtype: x.dtype };
    const [y] = this.run("TesseraConvert", { x }, [output], { storage: "fp32" });
    const values = this.dataOf(y!).values as Float32Array;
    this.disposeData(y!.dataId);
    return values;
  }
}

/** The tensors of a call in the order of its contract. */
function flatten(
  { lists, inputs: names }: IndexedContract,
  inputs: Inputs,
): (TensorInfo | undefined)[] {
  const flat: (TensorInfo | undefined)[] = [];
  for (const list of lists) flat.push(...(inputs[list] as readonly TensorInfo[]));
  for (const name of names) flat.push(inputs[name] as TensorInfo | undefined);
  return flat;
}

/** How output `i` is made: the tensor that it is written over, if any. */
function outputAt({ lists, outputLists, outputs }: IndexedContract, inputs: Inputs, i: number) {
  const length = lists.length === 0 ? 0 : (inputs[lists[0]!] as readonly TensorInfo[]).length;
  const inLists = length * outputLists.length;
  if (i >= inLists) {
    const { over, isFp32 } = outputs[i - inLists]!;
    return { over: over === undefined ? undefined : (inputs[over] as TensorInfo), isFp32 };
  }
  const { over, isFp32 } = outputLists[Math.floor(i / length)]!;
  const list = over === undefined ? undefined : (inputs[over] as readonly TensorInfo[]);
  return { over: list?.[i % length], isFp32 };
}
