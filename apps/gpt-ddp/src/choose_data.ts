// What a run trains and validates on: text that is read into memory, or Megatron's datasets.

import { readFlags, UserError } from "@tessera/config";
import {
  createFeed,
  resolveMasks,
  logProgress,
  shuffledOrder,
  type MaskOptions,
} from "@tessera/data";
import { chooseDataPaths, openRunFeeds, type GptDataOptions } from "@tessera/data/megatron";
import { readTexts, splitWindows, tokenizeTexts } from "@tessera/data/texts";
import type { Tokenizer } from "@tessera/tokenizer";
import type { DataRequest, RunData } from "@tessera/trainer";
import { DOCUMENTS } from "./flag_names.js";
import type { Flags } from "./flags.js";
import { defaultCorpus } from "./default_corpus.js";

/** @throws UserError for data that cannot be trained on. */
export async function openData(
  flags: Flags,
  tokenizer: Tokenizer,
  request: DataRequest,
): Promise<RunData> {
  const { data_path: data, train_data_path: train, valid_data_path: valid } = flags;
  const hasDatasets = data.length + train.length + valid.length > 0;
  if (hasDatasets && flags.text.length > 0) {
    throw new UserError("--text or --data_path: name one of them to train on, not both");
  }
  const masks = masksOf(flags, tokenizer);
  if (!hasDatasets) return textData(flags, tokenizer, masks);
  return datasets(flags, chooseDataPaths({ data, train, valid }), { ...request, tokenizer, masks });
}

/** What documents' ends change; undefined for nothing. */
const masksOf = (flags: Flags, { name, endOfText }: Tokenizer): MaskOptions | undefined =>
  resolveMasks({
    ...readFlags(flags, DOCUMENTS),
    endOfDocument: endOfText,
    tokenizer: name,
  });

function textData(flags: Flags, tokenizer: Tokenizer, masks: MaskOptions | undefined): RunData {
  const { max_len: length, validation_split, seed } = flags;
  const isNamed = flags.text.length > 0;
  const texts = readTexts(isNamed ? flags.text : [defaultCorpus()]);
  const tokens = tokenizeTexts(texts.texts, tokenizer);
  const { train, validation } = splitWindows(tokens, { length, validation: validation_split });
  const skipped = texts.skipped.length === 0 ? "" : `, ${texts.skipped.length} skipped`;
  return {
    train: createFeed(train, { order: shuffledOrder(train.count, seed), masks }),
    validation: validation && createFeed(validation, { masks }),
    description:
      `text   ${texts.texts.length} files${skipped}, ${(texts.bytes / 1e6).toFixed(2)} MB: ` +
      samplesLine(train, validation, tokenizer),
    notes: isNamed ? [] : ["text   of the packages installed here, as --text names none"],
    identity: { tokens: tokens.length },
  };
}

const samplesLine = (
  train: { readonly count: number; readonly length: number },
  validation: { readonly count: number } | null,
  { name }: Tokenizer,
): string =>
  `${train.count} samples of ${train.length} tokens (${name}), ${validation?.count ?? 0} for validation`;

interface Datasets extends DataRequest {
  readonly tokenizer: Tokenizer;
  readonly masks: MaskOptions | undefined;
}

async function datasets(
  flags: Flags,
  paths: GptDataOptions["paths"],
  { tokenizer, shard, trainSamples, masks }: Datasets,
): Promise<RunData> {
  const { seed, split, max_len: sequenceLength } = flags;
  const { train, validation, description } = await openRunFeeds({
    data: {
      paths,
      split,
      sampleCounts: { train: trainSamples, valid: flags.max_eval_samples, test: 0 },
      sequenceLength,
      seed,
      cacheFolder: flags.data_cache_path,
      vocabularySize: tokenizer.vocabularySize,
    },
    masks,
    dataRank: shard.index,
    dataRanks: shard.count,
    prefetches: true,
    progress: logProgress((line) => process.stderr.write(line)),
  });
  return {
    train,
    validation,
    description: `data   ${description}: ${samplesLine(train, validation, tokenizer)}`,
    identity: { data: description },
  };
}
