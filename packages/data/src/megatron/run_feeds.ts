// The feeds of a run on Megatron's datasets.

import { UserError } from "@tessera/config";
import { digestFiles } from "../digest.js";
import { createFeed, type Feed } from "../feed.js";
import type { DataPath } from "./blend.js";
import { openGptData, type GptDataOptions, type SplitSamples } from "./gpt_data.js";
import type { MaskOptions } from "../masks.js";
import { prefetch } from "./prefetch.js";
import type { Progress } from "../progress.js";
import { parseWeights } from "./splits.js";

/** What a run reads, and as which rank. */
export interface RunFeedsOptions {
  readonly data: GptDataOptions;
  readonly masks?: MaskOptions | undefined;
  /** Data-parallel rank. */
  readonly dataRank: number;
  /** Number of data-parallel ranks, which see different samples. */
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
  /** What the user should know before training: parts that were asked for, and have no document. */
  readonly notes: readonly string[];
  /** What a run that continues this one must share with it: sizes, weights, splits, and a digest of contents. */
  readonly identity: Readonly<Record<string, string>>;
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
    notes: describeEmpty(data, { validation: valid, test }),
    identity: {
      data: train.description,
      contents: digestData(data),
      ...("train" in data.paths && { validation: digestPaths(data.paths.valid) }),
    },
  };
}

/** Parts that --split gives something and that have nothing, as a sentence for the user. */
function describeEmpty(
  { paths, split, sampleCounts }: GptDataOptions,
  parts: Readonly<Record<"validation" | "test", SplitSamples | null>>,
): string[] {
  if ("train" in paths) return [];
  const [, ...shares] = parseWeights(split);
  const wanted = [sampleCounts.valid, sampleCounts.test];
  const empty = Object.entries(parts).filter(
    ([, part], i) => part === null && wanted[i]! > 0 && shares[i]! > 0,
  );
  if (empty.length === 0) return [];
  const names = empty.map(([name]) => name).join(" and ");
  return [
    `--split ${split} leaves no document for ${names}, whose loss is not measured: a document is not divided, ` +
      "so name separate datasets, or preprocess the text as more documents",
  ];
}

/** Blocks of 64 KiB that are read of all files together, where they are larger. */
const DIGEST_BLOCKS = 512;

const digestData = ({ paths }: GptDataOptions): string =>
  digestPaths("train" in paths ? paths.train : paths);

function digestPaths(paths: readonly DataPath[]): string {
  const files = paths.flatMap(({ prefix }) => [`${prefix}.idx`, `${prefix}.bin`]);
  return digestFiles(files, Math.max(4, Math.floor(DIGEST_BLOCKS / Math.max(1, files.length))));
}
