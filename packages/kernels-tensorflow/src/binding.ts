// What the binding offers; native/binding.cc is the other side. Tensors are known by the number of their slot, values of
// the open graph by theirs.

import { constants } from "node:os";
import path from "node:path";

/** The binding, in the folder that it is built into. */
export const BINDING = "tessera_tensorflow.node";

/** TensorFlow's numbers of element types. */
export const TYPES = { fp32: 1, int32: 3, bool: 10, bf16: 14, fp16: 19 } as const;

/** The type of a variable's handle. */
export const RESOURCE = 20;

/** An attribute of an operation: its name, its kind, and its value. */
export type OperationAttribute =
  | readonly [name: string, kind: "bool", value: boolean]
  | readonly [name: string, kind: "int" | "float" | "type", value: number]
  | readonly [name: string, kind: "text", value: string]
  | readonly [name: string, kind: "shape" | "ints", value: readonly number[]]
  | readonly [
      name: string,
      kind: "tensor",
      values: ArrayBufferView,
      type: number,
      shape: readonly number[],
    ];

/** What the graph knows of a value: its number, its element type, and the extents of its shape. */
export type NodeOutput = readonly [number: number, type: number, ...shape: number[]];

/** TensorFlow's C API, as far as training needs it. */
export interface Binding {
  /** Starts TensorFlow, once. `configuration` is a serialized `ConfigProto`. */
  open(configuration: Uint8Array): void;
  /** Waits until all that was run is computed. */
  wait(): void;
  /** Where programs run and tensors are from now on; "" leaves it to TensorFlow. */
  useDevice(name: string): void;
  devices(): readonly (readonly [name: string, type: string, memoryBytes: number])[];
  version(): string;
  /** How many programs have run. */
  operations(): number;
  upload(type: number, shape: readonly number[], values: ArrayBufferView): number;
  /** Waits until the tensor is computed. */
  download(slot: number, values: ArrayBufferView): void;
  release(slot: number): void;
  /** Opens an empty graph, in place of one that was not finished. */
  newGraph(): void;
  addNode(
    operation: string,
    inputs: readonly (number | readonly number[])[],
    attributes: readonly OperationAttribute[],
  ): readonly NodeOutput[];
  /** Makes the open graph a function. */
  finishGraph(name: string, inputs: readonly number[], outputs: readonly number[]): void;
  /** An operation or a function as a program with so many outputs. */
  prepare(operation: string, attributes: readonly OperationAttribute[], outputs: number): number;
  /**
   * Queues a program on the tensors in the first `inputs` of `slots`, and writes the slots of the outputs over them. What
   * goes wrong while it is computed is thrown by a later call.
   */
  run(program: number, slots: Int32Array, inputs: number): void;
}

/**
 * Loads the binding in `folder`, and TensorFlow with it.
 * @throws Error with the system's words where a library is missing.
 */
export function loadBinding(folder: string): Binding {
  (load(path.join(folder, "tessera_preload.node")) as { preload(): void }).preload();
  return load(path.join(folder, BINDING)) as Binding;
}

function load(file: string): object {
  const holder: { exports: object } = { exports: {} };
  process.dlopen(holder, file, constants.dlopen.RTLD_NOW);
  return holder.exports;
}
