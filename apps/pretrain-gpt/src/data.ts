// What a run trains, validates and tests on.

import { readFlags } from "@tessera/config";
import { resolveMasks, logProgress } from "@tessera/data";
import { chooseDataPaths, openRunFeeds } from "@tessera/data/megatron";
import type { DataRequest, RunData } from "@tessera/trainer";
import { DOCUMENTS } from "./flag_names.js";
import type { Flags } from "./flags.js";
import type { Vocabulary } from "./vocabulary.js";

/** @throws UserError for data that cannot be trained on. */
export async function openData(
  flags: Flags,
  vocabulary: Vocabulary,
  { shard, trainSamples, globalBatch }: DataRequest,
): Promise<RunData> {
  const paths = chooseDataPaths({
    data: flags["data-path"],
    train: flags["train-data-path"],
    valid: flags["valid-data-path"],
    test: flags["test-data-path"],
  });
  const evaluated = flags["eval-iters"] * globalBatch;
  const feeds = await openRunFeeds({
    data: {
      paths,
      split: flags.split,
      sampleCounts: { train: trainSamples, valid: evaluated, test: evaluated },
      sequenceLength: flags["seq-length"]!,
      seed: flags.seed,
      cacheFolder: flags["data-cache-path"],
      vocabularySize: vocabulary.size,
    },
    masks: resolveMasks({
      ...readFlags(flags, DOCUMENTS),
      endOfDocument: vocabulary.endOfDocument,
      tokenizer: vocabulary.name,
    }),
    dataRank: shard.index,
    dataRanks: shard.count,
    prefetches: flags["num-workers"] > 0,
    progress: logProgress((line) => process.stderr.write(line)),
  });
  return { ...feeds, identity: { data: feeds.description } };
}
