// The tfjs backend `tensorflow`: tensors are TensorFlow's, and what is computed of them are its programs.

import {
  DataStorage,
  engine,
  KernelBackend,
  util,
  type backend_util,
  type BackendTimingInfo,
  type DataId,
  type DataType,
  type TensorInfo,
} from "@tensorflow/tfjs-core";
import type { Shape } from "@tessera/kernels/contract";
import {
  storageOfDtype,
  type Storage,
  type StorageBackend,
  type WeightStorage,
} from "@tessera/kernels/memory";
import { TYPES, type Binding } from "./binding.js";
import { DeviceMemory, type MemoryCount } from "./device_memory.js";
import type { Graph, Value } from "./graph.js";
import { Programs, type Call, type Update } from "./programs.js";
import {
  arrayFor,
  asArray,
  dtypeOfType,
  describe,
  slotOf,
  storageOfType,
  typeOf,
  type TensorData,
} from "./tensor_data.js";
import type { Variable } from "./variables.js";

/** Tensors of TensorFlow as tfjs's. */
export class TensorFlowBackend extends KernelBackend implements StorageBackend {
  private readonly tensors: DataStorage<TensorData>;
  readonly programs: Programs;
  private readonly device: DeviceMemory;
  /** While a composite is traced into it, kernels write into this graph. */
  private traced: Graph | null = null;
  private slots: Int32Array = new Int32Array(64);
  private liveCount = 0;
  /** How often JavaScript has read a tensor of the device. */
  hostReads = 0;

  constructor(
    readonly binding: Binding,
    { compiles }: { readonly compiles: boolean },
  ) {
    super();
    this.tensors = new DataStorage(this, engine());
    this.programs = new Programs(binding, compiles);
    this.device = new DeviceMemory(binding, this.programs);
  }

  /** Runs `call`, or writes it into the graph that is being traced. The caller owns the outputs. */
  run({ key, inputs, emit, isCompiled, shapes }: Call): TensorInfo[] {
    const { traced } = this;
    if (traced !== null) {
      const values = inputs.map((input) => input && this.graphValueOf(traced, input));
      return emit(traced, values).map((value) => this.hold(value));
    }
    const data = inputs.map((input) => input && this.onDevice(input));
    // What is not compiled should be one operation, so its inputs get their shapes before.
    if (isCompiled === false)
      data.forEach((one, i) => one && this.device.reshape(one, inputs[i]!.shape));
    const about = data.map((one, i) => one && describe(one, inputs[i]!));
    const { number, outputs } = this.programs.find(key, about, emit, isCompiled);
    const present = data.filter((one) => one !== undefined).map(slotOf);
    const slots = this.runProgram(number, present, outputs.length);
    return outputs.map(({ type, shape }, i) => {
      const place = { kind: "device", slot: slots[i]! } as const;
      return this.adopt({ type, shape, place }, shapes?.[i] ?? shape);
    });
  }

  /**
   * Runs updates. What is updated is released, and goes on as the tensors that come out, one list for each update; the
   * caller owns these.
   */
  update(updates: readonly Update[]): TensorInfo[][] {
    const variables = updates.map((each) => this.runUpdate(each));
    const slots = this.device.variables.read(variables.flat()).values();
    return updates.map(({ updated }, i) =>
      updated.map((before, j) => {
        const variable = variables[i]![j]!;
        const place = { kind: "device", slot: slots.next().value!, variable } as const;
        return this.adopt({ ...variable, place }, before.shape);
      }),
    );
  }

  /** Updates the variables of what is updated, and returns them. */
  private runUpdate({ key, updated, others, emit }: Update): readonly Variable[] {
    const taken = updated.map(({ dataId }) => this.device.takeVariable(this.tensors.get(dataId)));
    const data = others.map((other) => this.onDevice(other));
    const about = [
      ...taken.map((variable, i) => ({ ...variable, seen: updated[i]!.shape })),
      ...data.map((one, i) => describe(one, others[i]!)),
    ];
    const { number } = this.programs.findUpdate(key, about, taken.length, emit);
    this.runProgram(number, [...taken.map(({ slot }) => slot), ...data.map(slotOf)], 0);
    return taken;
  }

  /** Runs a program on what is in `inputs`. Returns the slots of its outputs, until the next program runs. */
  private runProgram(number: number, inputs: readonly number[], outputs: number): Int32Array {
    const room = Math.max(inputs.length, outputs);
    if (this.slots.length < room) this.slots = new Int32Array(2 * room);
    this.slots.set(inputs);
    this.binding.run(number, this.slots, inputs.length);
    return this.slots;
  }

  /** Writes `body` into `graph`: kernels that it calls add to the graph instead of running. */
  traceInto<T>(graph: Graph, body: () => T): T {
    const before = this.traced;
    this.traced = graph;
    try {
      return body();
    } finally {
      this.traced = before;
    }
  }

  /** The same data under another shape. */
  view({ dataId, dtype }: TensorInfo, shape: Shape): TensorInfo {
    if (this.traced !== null) {
      const value = this.graphValueOf(this.traced, { dataId, shape: [], dtype }, false);
      return this.hold(this.traced.reshape(value, shape));
    }
    this.incRef(dataId);
    return { dataId, shape: [...shape], dtype };
  }

  /** A value of the graph that is being traced, as a tensor. */
  hold(value: Value): TensorInfo {
    const { type, shape } = value;
    return this.adopt({ type, shape, place: { kind: "graph", value } }, shape);
  }

  /** The value that a tensor is in `graph`: what was not computed there becomes a constant of it. */
  graphValueOf(graph: Graph, { dataId, shape }: TensorInfo, isSeen = true): Value {
    const { place, storage, shape: held } = this.tensors.get(dataId);
    if (place.kind === "graph") return isSeen ? graph.reshape(place.value, shape) : place.value;
    if (place.kind !== "host" || storage === null) {
      throw new Error("a kernel's composite uses a tensor that is none of its inputs");
    }
    return graph.constant(asArray(place.values, storage), typeOf(storage), isSeen ? shape : held);
  }

  /** Gives memory of a tensor back before tfjs does, whose owner has given it away. Does nothing where it is shared. */
  consume({ dataId }: TensorInfo): void {
    const data = this.tensors.get(dataId);
    if (data.refCount === 1) this.device.release(data);
  }

  /** Uploads values; the caller owns the tensor. */
  uploadValues(
    values: Float32Array | Int32Array | Uint8Array,
    shape: Shape,
    storage: Storage,
  ): TensorInfo {
    const slot = this.binding.upload(typeOf(storage), shape, values);
    return this.adopt({ type: typeOf(storage), shape, place: { kind: "device", slot } }, shape);
  }

  storageOf({ dataId }: Pick<TensorInfo, "dataId">): Storage | null {
    return this.tensors.get(dataId).storage;
  }

  supports(storage: WeightStorage): boolean {
    return storage in TYPES;
  }

  override write(values: backend_util.BackendValues, shape: number[], dtype: DataType): DataId {
    const dataId = {};
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
    const place = { kind: "host", values } as const;
    this.put(dataId, { refCount, place, storage: storageOfDtype(dtype), shape: [...shape], size });
  }

  override read(dataId: DataId): Promise<backend_util.BackendValues> {
    return Promise.resolve(this.readSync(dataId));
  }

  override readSync(dataId: DataId): backend_util.BackendValues {
    const { place, storage, size, shape } = this.tensors.get(dataId);
    if (place.kind === "host") return place.values;
    if (place.kind !== "device" || storage === null) {
      throw new Error("a tensor is read that has no values");
    }
    if (storage === "bf16" || storage === "fp16") return this.readWide(dataId, shape);
    this.hostReads += 1;
    const values = arrayFor(storage, size);
    this.binding.download(place.slot, values);
    return values;
  }

  /** 16-bit elements as fp32. */
  private readWide(dataId: DataId, shape: Shape): backend_util.BackendValues {
    const [wide] = this.run({
      key: "read",
      inputs: [{ dataId, shape: [...shape], dtype: "float32" }],
      emit: (graph, [x]) => [graph.cast(x!, TYPES.fp32)],
    });
    const values = this.readSync(wide!.dataId);
    this.disposeData(wide!.dataId);
    return values;
  }

  override disposeData(dataId: DataId, force = false): boolean {
    if (!this.tensors.has(dataId)) return true;
    const data = this.tensors.get(dataId);
    data.refCount -= 1;
    if (!force && data.refCount > 0) return false;
    this.device.release(data);
    this.tensors.delete(dataId);
    this.liveCount -= 1;
    return true;
  }

  override incRef(dataId: DataId): void {
    this.tensors.get(dataId).refCount += 1;
  }

  override refCount(dataId: DataId): number {
    return this.tensors.has(dataId) ? this.tensors.get(dataId).refCount : 0;
  }

  override numDataIds(): number {
    return this.liveCount;
  }

  override floatPrecision(): 32 {
    return 32;
  }

  override epsilon(): number {
    return 1e-7;
  }

  override timerAvailable(): boolean {
    return true;
  }

  override time(run: () => void): Promise<BackendTimingInfo> {
    this.binding.wait();
    const began = performance.now();
    run();
    this.binding.wait();
    return Promise.resolve({ kernelMs: performance.now() - began });
  }

  override memory(): MemoryCount & { unreliable: boolean; reasons: string[]; pooled: number } {
    return { ...this.device.held, pooled: 0, unreliable: false, reasons: [] };
  }

  /** Counts the peak of `memory()` from what is held now. */
  resetPeakMemory(): void {
    this.device.held.peak = this.device.held.allocated;
  }

  private onDevice({ dataId }: TensorInfo): TensorData {
    const data = this.tensors.get(dataId);
    this.device.fetch(data);
    return data;
  }

  private adopt(
    { type, shape, place }: Pick<TensorData, "shape" | "place"> & { readonly type: number },
    seen: Shape,
  ): TensorInfo {
    const dataId = {};
    const size = util.sizeFromShape([...shape]);
    const data = { refCount: 1, place, storage: storageOfType(type), shape, size };
    this.put(dataId, data);
    if (place.kind === "device") this.device.count(data, 1);
    return { dataId, shape: [...seen], dtype: dtypeOfType(type) };
  }

  private put(dataId: DataId, data: TensorData): void {
    this.tensors.set(dataId, data);
    this.liveCount += 1;
  }
}
