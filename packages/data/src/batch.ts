// Samples as batches of inputs and targets.

import { maskDocuments, type MaskOptions, type Masks } from "./masks.js";

/** Token ids [batch, time], row by row, and the masks that ends of documents make. Owns its arrays. */
export interface Batch extends Masks {
  readonly inputs: Int32Array;
  /** The token after each input. */
  readonly targets: Int32Array;
  readonly batch: number;
  readonly time: number;
}

/** The batch of `rows` [batch, time + 1]: inputs, and targets shifted by one. */
export function makeBatch(rows: Int32Array, time: number, masks?: MaskOptions): Batch {
  const batch = rows.length / (time + 1);
  const inputs = new Int32Array(batch * time); // [batch, time]
  const targets = new Int32Array(batch * time); // [batch, time]
  for (let row = 0; row < batch; row += 1) {
    const first = row * (time + 1);
    inputs.set(rows.subarray(first, first + time), row * time);
    targets.set(rows.subarray(first + 1, first + time + 1), row * time);
  }
  return { inputs, targets, batch, time, ...maskDocuments(inputs, time, masks) };
}
