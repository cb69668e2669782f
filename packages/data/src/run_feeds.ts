// What a run on Megatron's datasets trains, validates and tests on.

import { UserError } from "@tessera/config";
import { feedOf, type Feed } from "./feed.js";
import { openGptData, type GptDataOptions, type GptPart } from "./gpt_data.js";
import type { MaskOptions } from "./masks.js";
import { prefetch } from "./prefetch.js";
import type { Progress } from "./progress.js";

export interface RunFeedsOptions {
  readonly data: GptDataOptions;
  readonly masks?: MaskOptions | undefined;
  /** Of the ranks that see different samples, which this is. */
  readonly dataRank: number;
  readonly dataRanks: number;
  /** Whether a thread reads the samples to train on ahead. */
  readonly ahead: boolean;
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
  const { data, masks, dataRank, dataRanks, ahead, progress } = options;
  const { train, valid, test } = (await openGptData(data, progress)).parts;
  if (train === null) throw new UserError(`--split ${data.split}: leaves no documents to train on`);
  const { valid: validCount, test: testCount } = data.sampleCounts;
  const feed = feedOf(train, { masks });
  const first = (part: GptPart | null, count: number): Feed | null =>
    part && { ...feedOf(part, { masks }), count: Math.min(count, part.count) };
  return {
    train: ahead ? prefetch(feed, { data, part: "train", masks, dataRank, dataRanks }) : feed,
    validation: first(valid, validCount),
    test: first(test, testCount),
    description: train.description,
  };
}

export interface RunLength {
  /** Samples that a run needs until its end. */
  readonly samples: number;
  /** What to tell where their order is not what it was. */
  readonly notes: readonly string[];
}

/**
 * How many samples to lay out for a run that needs `needed` and was `before` laid out for so many: as
 * many as then, so that their order stays what it was.
 */
export const runLength = (needed: number, before = 0): RunLength => ({
  samples: Math.max(needed, before),
  notes:
    before > 0 && needed > before
      ? [
          `order  laid out for ${needed} samples, the run so far for ${before}: where that takes more ` +
            "passes over the data, what follows is in another order, and may have come before",
        ]
      : [],
});
