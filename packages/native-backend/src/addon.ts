// What an addon offers whose kernels and memory a backend uses. Its native code is the other side.

/** What a native kernel claims to be, in the words of the TypeScript contracts. */
export interface NativeContract {
  readonly name: string;
  /** Inputs and outputs that are lists of tensors. */
  readonly lists: readonly string[];
  readonly outputLists: readonly string[];
  readonly inputs: readonly string[];
  readonly optionalInputs: readonly string[];
  readonly outputs: readonly string[];
  readonly optionalOutputs: readonly string[];
  readonly attributes: readonly string[];
  /** Outputs that are written over an input: output name to input name. */
  readonly inPlace: Readonly<Record<string, string>>;
  /** Outputs that are fp32 whatever the inputs are. */
  readonly fp32Outputs: readonly string[];
}

/** Memory of a native backend, in bytes. */
export interface MemoryFigures {
  /** Bytes that tensors hold now. */
  readonly allocated: number;
  /** The most bytes that tensors and scratch memory held since `resetPeakMemory`. */
  readonly peak: number;
  /** Bytes kept for reuse. */
  readonly pooled: number;
}

/** A slot is the number of a block of native memory. */
export interface Addon {
  allocate(bytes: number): number;
  release(slot: number): void;
  /** Below 2^53 on every system that Node runs on. */
  address(slot: number): number;
  /** Copies values into the block. */
  write(slot: number, values: ArrayBufferView): void;
  /** Copies values out of the block. */
  read(slot: number, values: ArrayBufferView): void;
  /** Runs a kernel. `packed` is what pack_call.ts packs; slots of new outputs are written into it. */
  run(packed: Float64Array): void;
  /** Runs several kernels, which are packed one after the other to the end of `packed`. */
  runAll(packed: Float64Array): void;
  contract(): readonly NativeContract[];
  memory(): MemoryFigures;
  resetPeakMemory(): void;
}
