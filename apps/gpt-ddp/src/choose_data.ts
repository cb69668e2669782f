// What a run trains and validates on: text that is read into memory, or Megatron's datasets.

import { readFlags, UserError } from "@tessera/config";
import {
  createFeed,
  digestTokens,
  resolveMasks,
  logProgress,
  shuffledOrder,
  type MaskOptions,
} from "@tessera/data";
import { chooseDataPaths, openRunFeeds, type GptDataOptions } from "@tessera/data/megatron";
import { readTexts, splitWindows, tokenizeTexts, type SplitWindows } from "@tessera/data/texts";
import type { Tokenizer } from "@tessera/tokenizer";
import type { DataRequest, RunData } from "@tessera/trainer";
import { DOCUMENTS } from "./flag_names.js";
import { defaultCorpus } from "./default_corpus.js";
import type { Flags } from "./flags.js";

/** Text in memory, as samples. */
export interface TextSamples extends SplitWindows {
  /** Of all of it. */
  readonly tokens: number;
  readonly digest: string;
  readonly description: string;
  readonly notes: readonly string[];
}

/** @throws UserError for data that cannot be trained on. */
export async function openData(
  flags: Flags,
  tokenizer: Tokenizer,
  request: DataRequest,
  text?: TextSamples,
): Promise<RunData> {
  const masks = masksOf(flags, tokenizer);
  if (hasDatasets(flags)) {
    const { data_path: data, train_data_path: train, valid_data_path: valid } = flags;
    const paths = chooseDataPaths({ data, train, valid });
    return datasets(flags, paths, { ...request, tokenizer, masks });
  }
  return textData(flags, text ?? (await readSamples(flags, tokenizer)), masks);
}

/** Whether flags name datasets to train on; else it is text. @throws UserError where they name both. */
export function hasDatasets(flags: Flags): boolean {
  const { data_path, train_data_path, valid_data_path, text } = flags;
  const named = data_path.length + train_data_path.length + valid_data_path.length > 0;
  if (!named || text.length === 0) return named;
  throw new UserError("--text or --data_path: name one of them to train on, not both");
}

/** Of samples, and what ends of documents change in them. */
const identifyOrder = (flags: Flags) => ({
  data_seed: flags.data_seed ?? flags.seed,
  masks: DOCUMENT_FLAGS.filter((name) => flags[name]).join(", ") || "none",
});

const DOCUMENT_FLAGS = Object.values(DOCUMENTS);

/** What documents' ends change; undefined for nothing. */
const masksOf = (flags: Flags, { name, endOfText }: Tokenizer): MaskOptions | undefined =>
  resolveMasks({
    ...readFlags(flags, DOCUMENTS),
    endOfDocument: endOfText,
    tokenizer: name,
  });

/** @throws UserError for text that cannot be trained on. */
export async function readSamples(flags: Flags, tokenizer: Tokenizer): Promise<TextSamples> {
  const { max_len: length, validation_split } = flags;
  const corpus = flags.text.length > 0 ? undefined : defaultCorpus();
  const texts = await readTexts(corpus === undefined ? flags.text : [corpus.pattern]);
  const tokens = tokenizeTexts(texts.texts, tokenizer);
  const { train, validation } = splitWindows(tokens, { length, validation: validation_split });
  const skipped = texts.skipped.length === 0 ? "" : `, ${texts.skipped.length} skipped`;
  return {
    train,
    validation,
    tokens: tokens.length,
    digest: digestTokens(tokens),
    description:
      `text   ${texts.files} files${skipped}, ${(texts.bytes / 1e6).toFixed(2)} MB: ` +
      samplesLine(train, validation, tokenizer),
    notes: corpus === undefined ? [] : [`text   ${corpus.description}`],
  };
}

function textData(
  flags: Flags,
  { train, validation, tokens, digest, description, notes }: TextSamples,
  masks: MaskOptions | undefined,
): RunData {
  const { seed, data_seed: orderSeed = seed, validation_split } = flags;
  return {
    train: createFeed(train, { order: shuffledOrder(train.count, orderSeed), masks }),
    validation: validation && createFeed(validation, { masks }),
    description,
    notes,
    identity: { tokens, text: digest, validation_split, ...identifyOrder(flags) },
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
  const { seed, data_seed: orderSeed = seed, split, max_len: sequenceLength } = flags;
  const { train, validation, description, notes, identity } = await openRunFeeds({
    data: {
      paths,
      split,
      sampleCounts: { train: trainSamples, valid: flags.max_eval_samples, test: 0 },
      sequenceLength,
      seed: orderSeed,
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
    notes,
    identity: { ...identity, ...identifyOrder(flags) },
  };
}
