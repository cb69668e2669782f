// The feeds of a run on Megatron's datasets.

import { UserError } from "@tessera/config";
import { createFeed, type Feed } from "../feed.js";
import { openGptData, type GptDataOptions, type SplitSamples } from "./gpt_data.js";
import type { MaskOptions } from "../masks.js";
import { prefetch } from "./prefetch.js";
import type { Progress } from "../progress.js";

/** What a run reads, and as which rank. */
export interface RunFeedsOptions {
  readonly data: GptDataOptions;
  readonly masks?: MaskOptions | undefined;
  /** Data-parallel rank. */
  readonly dataRank: number;
  readonly dataRanks: number;
  /** Whether a thread reads training samples ahead. */
  readonly prefetches: boolean;
  /** Called while indices are built, on the rank that builds them. */
  readonly progress?: Progress;
}

/** The feeds of a run. */
export interface RunFeeds {
  readonly train: Feed;
  /** At most as many samples as were asked for; null for none. */
  readonly validation: Feed | null;
  readonly test: Feed | null;
  /** Of the training samples, independent of paths. */
  readonly description: string;
}

/**
 * Opens the feeds of all splits.
 *
 * @throws UserError where there is nothing to train on, or data cannot be read.
 */
export async function openRunFeeds(options: RunFeedsOptions): Promise<RunFeeds> {
  const { data, masks, dataRank, dataRanks, prefetches, progress } = options;
  const { train, valid, test } = (await openGptData(data, progress)).splits;
  if (train === null) throw new UserError(`--split ${data.split}: leaves no documents to train on`);
  const { valid: validCount, test: testCount } = data.sampleCounts;
  const feed = createFeed(train, { masks });
  const first = (part: SplitSamples | null, count: number): Feed | null =>
    part && { ...createFeed(part, { masks }), count: Math.min(count, part.count) };
  return {
    train: prefetches ? prefetch(feed, { data, split: "train", masks, dataRank, dataRanks }) : feed,
    validation: first(valid, validCount),
    test: first(test, testCount),
    description: train.description,
  };
}
