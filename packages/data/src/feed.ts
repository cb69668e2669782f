// What training takes its batches from: samples in an order, read when they are asked for, or before
// (`prefetch.ts`).

import { makeBatch, type Batch } from "./batch.js";
import type { MaskOptions } from "./masks.js";
import type { SampleOrder, Samples } from "./samples.js";

/** Samples in the order in which they are taken. */
export interface Feed {
  /** Samples of one pass. */
  readonly count: number;
  /** Inputs of a sample, in tokens. */
  readonly length: number;
  /** The samples from number `first` to `first + size - 1` of all that are taken, over all passes. */
  batch(first: number, size: number): Batch;
}

export interface FeedOptions {
  /** By their numbers if there is none: for samples that are shuffled already, and end. */
  readonly order?: SampleOrder;
  /** What the ends of documents change. */
  readonly masks?: MaskOptions | undefined;
}

const byNumber: SampleOrder = { at: (n) => n };

export const createFeed = (
  samples: Samples,
  { order = byNumber, masks }: FeedOptions = {},
): Feed => ({
  count: samples.count,
  length: samples.length,
  batch(first, size) {
    const stride = samples.length + 1;
    const rows = new Int32Array(size * stride); // [size, time + 1]
    for (let row = 0; row < size; row += 1) {
      samples.read(order.at(first + row), rows.subarray(row * stride, (row + 1) * stride));
    }
    return makeBatch(rows, samples.length, masks);
  },
});
