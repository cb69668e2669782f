// The tfjs backend `native`. Memory and hot kernels are native; every other kernel is the one of
// tfjs's CPU backend, which this class extends because those kernels reach into its data.

import { MathBackendCPU } from "@tensorflow/tfjs-backend-cpu";
import {
  util,
  type backend_util,
  type DataId,
  type DataType,
  type TensorInfo,
} from "@tensorflow/tfjs-core";
import {
  dtypeOf,
  type Attributes,
  type FloatStorage,
  type HostMemory,
  type Shape,
  type Storage,
} from "@tessera/kernels";
import type { Addon, MemoryFigures, NativeContract, NativeTensor } from "./addon.js";
import { isFloat, STORAGES } from "./storage.js";
import { TensorData, type Source } from "./tensor_data.js";

export interface OutputInfo {
  readonly shape: Shape;
  readonly dtype: DataType;
}

export type Inputs = Readonly<Record<string, TensorInfo>>;

interface IndexedContract extends NativeContract {
  readonly index: number;
}

export class NativeBackend extends MathBackendCPU implements HostMemory {
  readonly contracts: ReadonlyMap<string, IndexedContract>;
  private readonly source: Source;
  private nextId = 0;

  constructor(private readonly addon: Addon) {
    super();
    this.source = { addon, widen: (data) => this.widen(data) };
    this.contracts = new Map(
      addon.contract().map((contract, index) => [contract.name, { ...contract, index }]),
    );
  }

  override write(values: backend_util.BackendValues, shape: number[], dtype: DataType): DataId {
    const dataId = { id: this.nextId++ };
    this.move(dataId, values, shape, dtype, 1);
    return dataId;
  }

  override move(
    dataId: DataId,
    values: backend_util.BackendValues,
    shape: number[],
    dtype: DataType,
    refCount: number,
  ): void {
    const size = util.sizeFromShape(shape);
    const data = TensorData.ofValues(this.source, dtype, size, values);
    data.refCount = refCount;
    this.data.set(dataId, data);
  }

  override disposeData(dataId: DataId, force = false): boolean {
    const data = this.data.has(dataId) ? this.dataOf({ dataId }) : null;
    const gone = super.disposeData(dataId, force);
    if (gone) data?.release();
    return gone;
  }

  override memory(): MemoryFigures & { unreliable: boolean; reasons: string[] } {
    return { unreliable: false, reasons: [], ...this.addon.memory() };
  }

  /** Counts the peak of `memory()` from what is held now. */
  resetPeakMemory(): void {
    this.addon.resetPeakMemory();
  }

  /** The storage of a tensor: null where it has no native one. */
  storage(tensor: Pick<TensorInfo, "dataId">): Storage | null {
    return this.dataOf(tensor).storage;
  }

  /** Where the elements lie, for as long as a tensor holds them. Native memory is never moved. */
  address(tensor: Pick<TensorInfo, "dataId">): number {
    return this.addon.address(this.dataOf(tensor).slot());
  }

  copyOut(tensor: Pick<TensorInfo, "dataId">, into: Float32Array): void {
    this.addon.read(this.dataOf(tensor).slot(), into);
  }

  /** A tensor whose contents are undefined, for whoever writes to its address. */
  allocate(shape: Shape, storage: Storage): TensorInfo {
    const dtype = dtypeOf(storage);
    const dataId = { id: this.nextId++ };
    const size = util.sizeFromShape([...shape]);
    this.data.set(dataId, TensorData.allocate(this.source, dtype, storage, size));
    return { dataId, shape: [...shape], dtype };
  }

  /**
   * Runs the native kernel `name`. Outputs are fp32 where the kernel says so, or of the storage
   * that the attribute `storage` names, or of that of the first input of floats.
   */
  run(
    name: string,
    inputs: Inputs,
    outputs: Readonly<Record<string, OutputInfo>>,
    attributes: Attributes = {},
  ): TensorInfo[] {
    const contract = this.contracts.get(name);
    if (contract === undefined) throw new Error(`the native backend has no kernel ${name}`);
    const given = contract.inputs.map((input) => inputs[input]!);
    const storage = this.outputStorage(given, attributes);
    const made = contract.outputs.map((output) => {
      const over = contract.inPlace[output];
      if (over !== undefined) return this.reuse(inputs[over]!);
      return this.create(outputs[output]!, contract.wide.includes(output) ? "fp32" : storage);
    });
    this.addon.run(
      contract.index,
      given.map((tensor) => this.describe(tensor)),
      made.map((tensor) => this.describe(tensor)),
      contract.attributes.map((attribute) => attributes[attribute]!),
    );
    return made;
  }

  private outputStorage(inputs: readonly TensorInfo[], attributes: Attributes): FloatStorage {
    if (attributes["storage"] !== undefined) return attributes["storage"] as FloatStorage;
    for (const input of inputs) {
      const storage = this.storage(input);
      if (storage !== null && isFloat(storage)) return storage;
    }
    return "fp32";
  }

  private create({ shape, dtype }: OutputInfo, storage: FloatStorage): TensorInfo {
    return this.allocate(shape, dtype === "float32" ? storage : (dtype as Storage));
  }

  private reuse({ dataId, shape, dtype }: TensorInfo): TensorInfo {
    this.incRef(dataId);
    return { dataId, shape, dtype };
  }

  private describe(tensor: TensorInfo): NativeTensor {
    const data = this.dataOf(tensor);
    const slot = data.slot();
    return [slot, STORAGES.indexOf(data.storage!), ...tensor.shape];
  }

  /** Everything in `data` is put there by this class. */
  private dataOf({ dataId }: Pick<TensorInfo, "dataId">): TensorData {
    return this.data.get(dataId) as unknown as TensorData;
  }

  private widen(data: TensorData): Float32Array {
    const wide = TensorData.allocate(this.source, "float32", "fp32", data.size);
    const convert = this.contracts.get("TesseraConvert")!.index;
    const from = [data.slot(), STORAGES.indexOf(data.storage!), data.size];
    this.addon.run(convert, [from], [[wide.slot(), 0, data.size]], ["fp32"]);
    const values = wide.values as Float32Array;
    wide.release();
    return values;
  }
}
