// The memory of the device: what is uploaded there, under which shape TensorFlow knows it, and how much it is.

import { util } from "@tensorflow/tfjs-core";
import type { Shape } from "@tessera/kernels/contract";
import { storageBytes } from "@tessera/kernels/memory";
import { TYPES, type Binding } from "./binding.js";
import type { Programs } from "./programs.js";
import { asArray, typeOf, type TensorData } from "./tensor_data.js";
import { Variables, type Variable } from "./variables.js";

/** Memory that tensors hold, in bytes. */
export interface MemoryCount {
  allocated: number;
  peak: number;
}

/** Data of tensors on the device. */
export class DeviceMemory {
  readonly held: MemoryCount = { allocated: 0, peak: 0 };
  /** Slots of vectors that have a shape. There are few, and they stay. */
  private readonly extents = new Map<string, number>();
  readonly variables: Variables;

  constructor(
    private readonly binding: Binding,
    private readonly programs: Programs,
  ) {
    this.variables = new Variables(binding, programs);
  }

  /** Uploads values that are in JavaScript yet. */
  fetch(data: TensorData): void {
    if (data.place.kind !== "host" || data.storage === null) return;
    const values = asArray(data.place.values, data.storage);
    const slot = this.binding.upload(typeOf(data.storage), data.shape, values);
    data.place = { kind: "device", slot };
    this.count(data, 1);
  }

  /** Gives data on the device the shape that an operation is to see. */
  reshape(data: TensorData, shape: Shape): void {
    if (data.place.kind !== "device" || util.arraysEqual([...data.shape], [...shape])) return;
    const about = [
      { type: typeOf(data.storage!), shape: data.shape, seen: data.shape },
      { type: TYPES.int32, shape: [shape.length], seen: [shape.length] },
    ];
    const { number } = this.programs.find("reshape", about, (graph, [x, to]) => [
      graph.op("Reshape", [x!, to!], [["Tshape", "type", TYPES.int32]]),
    ]);
    const { slot } = data.place;
    const slots = Int32Array.of(slot, this.extentsOf(shape));
    this.binding.run(number, slots, 2);
    this.binding.release(slot);
    data.place = { ...data.place, slot: slots[0]! };
    data.shape = shape;
  }

  release(data: TensorData): void {
    if (data.place.kind === "device") {
      this.binding.release(data.place.slot);
      if (data.place.variable !== undefined) this.variables.destroy(data.place.variable);
      this.count(data, -1);
    }
    data.place = { kind: "gone" };
  }

  /** The variable of data, for their successor. Data that others share keep their values, the rest is released. */
  takeVariable(data: TensorData): Variable {
    this.fetch(data);
    const { place, shape, storage } = data;
    if (place.kind !== "device") throw new Error(`a tensor that is ${place.kind} is updated`);
    const variable = place.variable ?? this.variables.make(typeOf(storage!), shape, place.slot);
    data.place = { kind: "device", slot: place.slot };
    if (data.refCount === 1) this.release(data);
    return variable;
  }

  /** Counts what is held, or no longer held. */
  count({ storage, size }: TensorData, sign: 1 | -1): void {
    this.held.allocated += sign * storageBytes(storage!, size);
    this.held.peak = Math.max(this.held.peak, this.held.allocated);
  }

  private extentsOf(shape: Shape): number {
    const key = shape.join();
    const slot =
      this.extents.get(key) ??
      this.binding.upload(TYPES.int32, [shape.length], Int32Array.from(shape));
    this.extents.set(key, slot);
    return slot;
  }
}
