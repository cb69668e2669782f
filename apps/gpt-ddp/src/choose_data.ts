// What a run trains and validates on: text that is read into memory, or Megatron's datasets.

import type { Progress } from "@tessera/checkpoint";
import type { ProcessGroup } from "@tessera/collectives";
import { UserError, type BatchPlan } from "@tessera/config";
import {
  chooseDataPaths,
  feedOf,
  maskOptions,
  openRunFeeds,
  progressLines,
  readTexts,
  runLength,
  shuffledOrder,
  splitWindows,
  tokensOf,
  type Feed,
  type GptDataOptions,
  type MaskOptions,
} from "@tessera/data";
import type { Tokenizer } from "@tessera/tokenizer";
import type { Identity } from "@tessera/trainer";
import type { Flags } from "./flags.js";
import { ownText } from "./own_text.js";

export interface Data {
  readonly train: Feed;
  /** Null for none. */
  readonly validation: Feed | null;
  /** For people. */
  readonly summary: string;
  readonly notes: readonly string[];
  /** What a run that continues this one must share with it. */
  readonly identity: Identity;
  /** Samples that the order was laid out for; undefined where it has no end. */
  readonly trainSamples?: number;
}

export interface Reading {
  readonly tokenizer: Tokenizer;
  readonly batch: BatchPlan;
  readonly group: ProcessGroup;
  /** Of the checkpoint that the run goes on from. */
  readonly resumed: Progress | undefined;
}

/** Throws a UserError for data that cannot be trained on. */
export async function chooseData(flags: Flags, reading: Reading): Promise<Data> {
  const { data_path: data, train_data_path: train, valid_data_path: valid } = flags;
  const hasDatasets = data.length + train.length + valid.length > 0;
  if (hasDatasets && flags.text.length > 0) {
    throw new UserError("--text or --data_path: name one of them to train on, not both");
  }
  const masks = masksOf(flags, reading.tokenizer);
  if (!hasDatasets) return textData(flags, reading.tokenizer, masks);
  return datasets(flags, chooseDataPaths({ data, train, valid }), { ...reading, masks });
}

/** What documents' ends change; undefined for nothing. */
const masksOf = (flags: Flags, { name, endOfText }: Tokenizer): MaskOptions | undefined =>
  maskOptions({
    maskLoss: flags.eod_mask_loss,
    resetPositions: flags.reset_position_ids,
    resetAttention: flags.reset_attention_mask,
    endOfDocument: endOfText,
    tokenizer: name,
  });

function textData(flags: Flags, tokenizer: Tokenizer, masks: MaskOptions | undefined): Data {
  const { max_len: length, validation_split, seed } = flags;
  const isNamed = flags.text.length > 0;
  const texts = readTexts(isNamed ? flags.text : [ownText()]);
  const tokens = tokensOf(texts.texts, tokenizer);
  const { train, validation } = splitWindows(tokens, { length, validation: validation_split });
  const skipped = texts.skipped.length === 0 ? "" : `, ${texts.skipped.length} skipped`;
  return {
    train: feedOf(train, { order: shuffledOrder(train.count, seed), masks }),
    validation: validation && feedOf(validation, { masks }),
    summary:
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

type Datasets = Reading & { readonly masks: MaskOptions | undefined };

async function datasets(
  flags: Flags,
  paths: GptDataOptions["paths"],
  { tokenizer, batch, group, resumed, masks }: Datasets,
): Promise<Data> {
  const { seed, split, max_len: sequenceLength } = flags;
  const { step = 0, consumedSamples = 0, trainSamples } = resumed ?? {};
  const needed = consumedSamples + (flags.max_steps - step) * batch.globalBatch;
  const { samples, notes } = runLength(needed, trainSamples);
  const { train, validation, description } = await openRunFeeds({
    data: {
      paths,
      split,
      sampleCounts: { train: samples, valid: flags.max_eval_samples, test: 0 },
      sequenceLength,
      seed,
      cacheFolder: flags.data_cache_path,
      vocabularySize: tokenizer.vocabularySize,
    },
    masks,
    dataRank: group.rank,
    dataRanks: group.size,
    ahead: true,
    progress: progressLines((line) => process.stderr.write(line)),
  });
  return {
    train,
    validation,
    summary: `data   ${description}: ${samplesLine(train, validation, tokenizer)}`,
    notes,
    identity: { data: description },
    trainSamples: samples,
  };
}
