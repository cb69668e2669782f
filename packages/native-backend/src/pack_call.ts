// The arguments of a native call in one array of numbers, because a call from JavaScript into native code
// costs 2 microseconds with nested arrays, and a tenth of that with one typed array:
//
//   released slots: count, ...slots
//   kernel, number of inputs, of outputs, of attributes
//   each input and output: slot, storage, rank, ...shape   (slot -1: absent input, or output to allocate)
//   each attribute: count, ...numbers                      (-1 - length, ...character codes for text)
//
// Releases go along with the next call, so that they cost none of their own.

import type { Attribute, Shape } from "@tessera/kernels/contract";

export const NO_SLOT = -1;

const INITIAL_CAPACITY = 4096;

export class CallPacker {
  /** Everything packed so far; longer than what is packed. */
  numbers = new Float64Array(INITIAL_CAPACITY);
  private length = 0;

  start(released: readonly number[]): void {
    this.length = 0;
    this.reserve(released.length + 1);
    this.numbers[this.length++] = released.length;
    for (const slot of released) this.numbers[this.length++] = slot;
  }

  header(kernel: number, inputs: number, outputs: number, attributes: number): void {
    this.reserve(4);
    this.numbers[this.length++] = kernel;
    this.numbers[this.length++] = inputs;
    this.numbers[this.length++] = outputs;
    this.numbers[this.length++] = attributes;
  }

  /** Returns where in `numbers` the slot is. */
  tensor(slot: number, storage: number, shape: Shape): number {
    const rank = shape.length;
    this.reserve(3 + rank);
    const at = this.length;
    this.numbers[at] = slot;
    this.numbers[at + 1] = storage;
    this.numbers[at + 2] = rank;
    for (let dim = 0; dim < rank; dim += 1) this.numbers[at + 3 + dim] = shape[dim]!;
    this.length = at + 3 + rank;
    return at;
  }

  absent(): void {
    this.reserve(1);
    this.numbers[this.length++] = NO_SLOT;
  }

  /** Returns where in `numbers` those of the attribute begin. */
  attribute(value: Attribute): number {
    const at = this.length + 1;
    if (typeof value === "string") this.text(value);
    else this.list(typeof value === "object" ? value : [Number(value)]);
    return at;
  }

  /** What is packed, as an array of its own. */
  copy(): Float64Array {
    return this.numbers.slice(0, this.length);
  }

  private list(values: readonly number[]): void {
    this.reserve(1 + values.length);
    this.numbers[this.length++] = values.length;
    for (const value of values) this.numbers[this.length++] = value;
  }

  private text(value: string): void {
    this.reserve(1 + value.length);
    this.numbers[this.length++] = -1 - value.length;
    for (let i = 0; i < value.length; i += 1) this.numbers[this.length++] = value.charCodeAt(i);
  }

  private reserve(count: number): void {
    if (this.length + count <= this.numbers.length) return;
    const larger = new Float64Array(2 * (this.length + count));
    larger.set(this.numbers);
    this.numbers = larger;
  }
}
