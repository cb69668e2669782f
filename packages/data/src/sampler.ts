// Which samples a data-parallel rank takes. The order of samples is global and a step takes the next ones of it, so a
// run can continue with another number of ranks.

import { UserError } from "@tessera/config";

/** Where a rank is in the order of samples. */
export interface SamplerOptions {
  /** Samples in all. */
  readonly count: number;
  /** Samples that all ranks together have taken so far. */
  readonly consumedSamples: number;
  /** Samples per rank and microbatch. */
  readonly microBatch: number;
  readonly dataRank: number;
  /** Number of data-parallel ranks, which see different samples. */
  readonly dataRanks: number;
}

/**
 * The indices of the samples of each microbatch of this rank, until too few are left for a microbatch on every rank.
 *
 * @throws UserError where too few are left for the first one.
 */
export function* rankSamples(options: SamplerOptions): Generator<readonly number[]> {
  const { count, consumedSamples, microBatch, dataRank, dataRanks } = options;
  const taken = microBatch * dataRanks;
  if (consumedSamples + taken > count) {
    throw new UserError(
      `${consumedSamples} of ${count} samples are taken, the next micro-batches need ${taken}: ` +
        "build the data for more samples",
    );
  }
  for (let first = consumedSamples; first + taken <= count; first += taken) {
    const own = first + dataRank * microBatch;
    yield Array.from({ length: microBatch }, (_, i) => own + i);
  }
}
