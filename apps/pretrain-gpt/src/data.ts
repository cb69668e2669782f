// What a run trains, validates and tests on.

import { readFlags, UserError } from "@tessera/config";
import { createFeed, resolveMasks, logProgress, sequentialOrder } from "@tessera/data";
import { chooseDataPaths, openRunFeeds } from "@tessera/data/megatron";
import type { DataRequest, RunData } from "@tessera/trainer";
import { DOCUMENTS } from "./flag_names.js";
import type { Flags } from "./flags.js";
import type { Vocabulary } from "./vocabulary.js";

const MOCK_SAMPLES = 100_000;

/** @throws UserError for data that cannot be trained on. */
export async function openData(
  flags: Flags,
  vocabulary: Vocabulary,
  { shard, trainSamples, globalBatch }: DataRequest,
): Promise<RunData> {
  if (flags["mock-data"]) return mockData(flags, vocabulary, globalBatch);
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
  const masks = Object.values(DOCUMENTS).filter((name) => flags[name]);
  return { ...feeds, identity: { ...feeds.identity, masks: masks.join(", ") || "none" } };
}

/** Ids in a row, as in Megatron's mock of a dataset: training runs on nothing, to measure or to try it. */
function mockData(flags: Flags, { size }: Vocabulary, globalBatch: number): RunData {
  const given = ["data-path", "train-data-path", "valid-data-path", "test-data-path"] as const;
  const named = given.find((name) => flags[name].length > 0);
  if (named !== undefined) throw new UserError(`--mock-data: trains on no --${named}; drop one`);
  const length = flags["seq-length"]!;
  const samples = {
    count: MOCK_SAMPLES,
    length,
    read(sample: number, out: Int32Array) {
      for (let i = 0; i <= length; i += 1) out[i] = (sample + i + 1) % size;
    },
  };
  const evaluated = flags["eval-iters"] * globalBatch;
  const part = { ...createFeed(samples), count: Math.min(evaluated, MOCK_SAMPLES) };
  return {
    train: createFeed(samples, { order: sequentialOrder(MOCK_SAMPLES) }),
    ...(evaluated > 0 && { validation: part }),
    description: "mock data: ids in a row",
    identity: { data: "mock" },
  };
}
