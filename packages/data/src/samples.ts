// The interface of a source of samples: numbered, of equal length.

import type { Quantity } from "@tessera/config/units";

/** Samples of `length` inputs and, shifted by one, as many targets: length + 1 tokens each. */
export interface Samples {
  readonly count: Quantity<"samples">;
  /** Sequence length, in tokens. */
  readonly length: Quantity<"tokens">;
  /** Writes the length + 1 tokens of sample `index`, in [0, count), to the start of `out`. */
  read(index: number, out: Int32Array): void;
}

/** An order of samples. A pure function, so that a resumed run continues with the next one. */
export interface SampleOrder {
  /** The index of the n-th sample over all epochs, n from 0. */
  at(n: Quantity<"samples">): number;
}
