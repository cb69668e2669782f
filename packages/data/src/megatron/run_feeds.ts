// What a run on Megatron's datasets trains, validates and tests on.

import { UserError } from "@tessera/config";
import { createFeed, type Feed } from "../feed.js";
import { openGptData, type GptDataOptions, type SplitSamples } from "./gpt_data.js";
import type { MaskOptions } from "../masks.js";
import { prefetch } from "./prefetch.js";
import type { Progress } from "../progress.js";

export interface RunFeedsOptions {
  readonly data: GptDataOptions;
  readonly masks?: MaskOptions | undefined;
  /** Of the ranks that see different samples, which this is. */
  readonly dataRank: number;
  readonly dataRanks: number;
  /** Whether a thread reads the samples to train on ahead. */
  readonly prefetches: boolean;
  /** Told of building indices, on the rank that does. */
  readonly progress?: Progress;
}

export interface RunFeeds {
  readonly train: Feed;
  /** No more samples than were asked for; null where there is nothing for it. */
  readonly validation: Feed | null;
  readonly test: Feed | null;
  /** What is trained on, wherever it stands. */
  readonly description: string;
}

/** Opens all parts. Throws a UserError where there is nothing to train on, or the data is no good. */
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
