// What training reads from, whatever stands behind it: numbered samples of equal length.

/** Samples of `length` inputs and, shifted by one, as many targets: length + 1 tokens each. */
export interface Samples {
  readonly count: number;
  /** In tokens. */
  readonly length: number;
  /** Writes the length + 1 tokens of sample `index` (0 to count - 1) to the start of `out`. */
  read(index: number, out: Int32Array): void;
}

/** Which sample comes when. A pure function, so that a resumed run continues with the next one. */
export interface SampleOrder {
  /** The index of the sample that is taken n-th over all epochs, n from 0. */
  at(n: number): number;
}
