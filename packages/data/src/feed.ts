// Where training gets its batches: samples in an order, read when a batch is asked for, or ahead of it
// (`megatron/prefetch.ts`).

import type { Quantity } from "@tessera/config/units";
import { makeBatch, type Batch } from "./batch.js";
import type { MaskOptions } from "./masks.js";
import type { SampleOrder, Samples } from "./samples.js";

/** Samples in the order in which training takes them. */
export interface Feed {
  /** Samples of one epoch. */
  readonly count: Quantity<"samples">;
  /** Sequence length: inputs of a sample, in tokens. */
  readonly length: Quantity<"tokens">;
  /** The batch of samples [first, first + size) of the order, which goes on over all epochs. */
  batch(first: Quantity<"samples">, size: Quantity<"samples">): Batch;
  /** The same without a thread that reads ahead, for samples out of turn. Default: this one. */
  readonly direct?: Feed;
}

/** How samples become a feed. */
export interface FeedOptions {
  /** Default: by index, for samples that are shuffled already; it ends with the last one. */
  readonly order?: SampleOrder;
  /** What ends of documents change. Default: nothing. */
  readonly masks?: MaskOptions | undefined;
}

const byNumber: SampleOrder = { at: (n) => n };

/** The feed of `samples`. */
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
