// Which samples a data-parallel rank takes. The order of samples is global, and a step takes the next
// ones of it, so that a run may go on with another number of ranks.

import { UserError } from "@tessera/config";

export interface SamplerOptions {
  /** Samples there are. */
  readonly count: number;
  /** Samples that the run has taken so far, on all ranks together. */
  readonly consumedSamples: number;
  /** Samples per rank and micro-batch. */
  readonly microBatch: number;
  readonly dataRank: number;
  readonly dataRanks: number;
}

/**
 * The numbers of the samples in each micro-batch of this rank, until too few are left for every rank
 * to have one. Throws a UserError if there is none left.
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
