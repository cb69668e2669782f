// The data behind a tfjs tensor: on the device, where they may be a variable's, in JavaScript until they are needed there,
// or a value of the graph that is being written.

import type { backend_util, DataType, TensorInfo } from "@tensorflow/tfjs-core";
import { dtypeOf, STORAGES, type Storage } from "@tessera/kernels/memory";
import type { Shape } from "@tessera/kernels/contract";
import { TYPES } from "./binding.js";
import type { Value } from "./graph.js";
import type { Variable } from "./variables.js";

/** Where data are. */
export type Place =
  /** `variable`: whose value is in the slot. */
  | { readonly kind: "device"; readonly slot: number; readonly variable?: Variable }
  | { readonly kind: "host"; readonly values: backend_util.BackendValues }
  | { readonly kind: "graph"; readonly value: Value }
  | { readonly kind: "gone" };

/** Data of one or several tensors, which may see them under other shapes. */
export interface TensorData {
  refCount: number;
  place: Place;
  /** Null for strings, which only the host has. */
  readonly storage: Storage | null;
  /** As TensorFlow knows it. */
  shape: Shape;
  readonly size: number;
}

/** TensorFlow's number of how elements are stored. */
export function typeOf(storage: Storage): number {
  if (storage !== "int8") return TYPES[storage];
  throw new Error("the backend tensorflow stores nothing in int8");
}

/** How elements of TensorFlow's type `type` are stored. */
export const storageOfType = (type: number): Storage => {
  const storage = STORAGES.find((one) => one !== "int8" && TYPES[one] === type);
  if (storage === undefined) throw new Error(`TensorFlow's type ${type} has no storage here`);
  return storage;
};

export const dtypeOfType = (type: number): DataType => dtypeOf(storageOfType(type));

/** Values as the array that the device takes: 16-bit ones come as fp32. */
export function asArray(
  values: backend_util.BackendValues,
  storage: Storage,
): Float32Array | Int32Array | Uint8Array {
  const array = arrayFor(storage, 0);
  if (isSameKind(values, array)) return values;
  const copy = arrayFor(storage, values.length);
  copy.set(Array.from<unknown, number>(values, Number));
  return copy;
}

const isSameKind = <T extends object>(values: object, like: T): values is T =>
  Object.prototype.toString.call(values) === Object.prototype.toString.call(like);

/** An array for elements that are read; 16-bit ones are read as fp32. */
export function arrayFor(storage: Storage, size: number): Float32Array | Int32Array | Uint8Array {
  if (storage === "int32") return new Int32Array(size);
  return storage === "bool" ? new Uint8Array(size) : new Float32Array(size);
}

/** Data as programs know them, seen as `tensor` sees them. */
export const describe = ({ storage, shape }: TensorData, tensor: TensorInfo) => ({
  type: typeOf(storage!),
  shape,
  seen: tensor.shape,
});

export function slotOf({ place }: TensorData): number {
  if (place.kind === "device") return place.slot;
  throw new Error(
    `a tensor that is ${place.kind === "gone" ? "released" : place.kind} is computed with`,
  );
}
