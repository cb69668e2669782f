// The interface of a source of samples: numbered, of equal length.

/** Samples of `length` inputs and, shifted by one, as many targets: length + 1 tokens each. */
export interface Samples {
  readonly count: number;
  /** Sequence length, in tokens. */
  readonly length: number;
  /** Writes the length + 1 tokens of sample `index`, in [0, count), to the start of `out`. */
  read(index: number, out: Int32Array): void;
}

/** An order of samples. A pure function, so that a resumed run continues with the next one. */
export interface SampleOrder {
  /** The index of the n-th sample over all epochs, n from 0. */
  at(n: number): number;
}
