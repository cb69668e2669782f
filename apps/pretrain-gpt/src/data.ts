// What a run trains, validates and tests on.

import {
  chooseDataPaths,
  maskOptions,
  openRunFeeds,
  progressLines,
  runLength,
  type RunFeeds,
} from "@tessera/data";
import type { Flags } from "./flags.js";
import type { RunConfig } from "./resolve.js";
import type { Vocabulary } from "./vocabulary.js";

export interface Data extends RunFeeds {
  readonly notes: readonly string[];
  /** Samples that the order was laid out for. */
  readonly trainSamples: number;
}

export interface Reading {
  readonly vocabulary: Vocabulary;
  readonly dataRank: number;
  /** For how many samples the run that this one goes on with was laid out. */
  readonly before: number | undefined;
}

/** Throws a UserError for data that cannot be trained on. */
export async function dataOf(flags: Flags, config: RunConfig, reading: Reading): Promise<Data> {
  const { vocabulary, dataRank, before } = reading;
  const { length, parallel, sequenceLength } = config;
  const paths = chooseDataPaths({
    data: flags["data-path"],
    train: flags["train-data-path"],
    valid: flags["valid-data-path"],
    test: flags["test-data-path"],
  });
  const { samples, notes } = runLength(length.samples, before);
  const evaluated = flags["eval-iters"] * length.ramp.full;
  const feeds = await openRunFeeds({
    data: {
      paths,
      split: flags.split,
      sampleCounts: { train: samples, valid: evaluated, test: evaluated },
      sequenceLength,
      seed: flags.seed,
      cacheFolder: flags["data-cache-path"],
      vocabularySize: vocabulary.size,
    },
    masks: maskOptions({
      maskLoss: flags["eod-mask-loss"],
      resetPositions: flags["reset-position-ids"],
      resetAttention: flags["reset-attention-mask"],
      endOfDocument: vocabulary.endOfDocument,
      tokenizer: vocabulary.name,
    }),
    dataRank,
    dataRanks: parallel.data,
    ahead: flags["num-workers"] > 0,
    progress: progressLines((line) => process.stderr.write(line)),
  });
  return { ...feeds, notes, trainSamples: samples };
}
