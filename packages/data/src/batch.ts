// Samples side by side, as a model takes them.

import type { SampleOrder, Samples } from "./samples.js";

/** Token ids [batch, time], row by row, in memory of their own. */
export interface Batch {
  readonly inputs: Int32Array;
  /** The token after each input. */
  readonly targets: Int32Array;
  readonly batch: number;
  readonly time: number;
}

/** The `size` samples that `order` takes from number `first` on, counted over all epochs. */
export function batchAt(samples: Samples, order: SampleOrder, first: number, size: number): Batch {
  const time = samples.length;
  const inputs = new Int32Array(size * time); // [batch, time]
  const targets = new Int32Array(size * time); // [batch, time]
  const sample = new Int32Array(time + 1);
  for (let row = 0; row < size; row += 1) {
    samples.read(order.at(first + row), sample);
    inputs.set(sample.subarray(0, time), row * time);
    targets.set(sample.subarray(1), row * time);
  }
  return { inputs, targets, batch: size, time };
}
