// Samples of an indexed dataset in the order of Megatron's GPTDataset.

import { statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { UserError } from "@tessera/config";
import type { NumberArray } from "./file_array.js";
import { buildIndices } from "./gpt_indices.js";
import { openCachedIndices, type CacheOptions, type IndexFiles } from "./index_cache.js";
import { openIndexedDataset, type IndexedDataset } from "./indexed_dataset.js";
import { reportStage, type Progress } from "../progress.js";
import type { Samples } from "../samples.js";
import { splitDocuments, splitNames, type SplitName } from "./splits.js";

/** Which samples of which dataset. */
export interface GptDatasetOptions {
  /** Path of the dataset without .bin or .idx. */
  readonly prefix: string;
  readonly name: SplitName;
  /** Megatron's `--split`. */
  readonly split: string;
  /** Minimum number of samples; there are more, up to the end of an epoch. */
  readonly sampleCount: number;
  /** Inputs of a sample, in tokens. */
  readonly sequenceLength: number;
  readonly seed: number;
  /** Folder of the index cache. Default: `index-cache` beside the dataset. */
  readonly cacheFolder?: string | undefined;
  /** Check that ids are below this, which reads all tokens when the indices are built. Default: no check. */
  readonly vocabularySize?: number | undefined;
  /** Skip the checksums of the cached indices, which were just checked. Default: false. */
  readonly trustCache?: boolean | undefined;
}

/** An open dataset. */
export interface GptDataset extends Samples {
  /** Documents in the order in which they are read, epoch after epoch: Megatron's `doc_idx`. */
  readonly documentIndex: NumberArray;
  /**
   * Pairs of a place in the document index and an offset in tokens, where each sample begins: Megatron's `sample_idx`.
   */
  readonly sampleIndex: NumberArray;
  /** Which sample stands at each place of the order: Megatron's `shuffle_idx`. */
  readonly shuffleIndex: NumberArray;
  /** Tokens of the dataset, all splits. */
  readonly tokenCount: number;
  close(): void;
}

/**
 * Opens a split of the dataset, and builds its indices unless they are cached; `progress` is called meanwhile. Null
 * where the split has no documents.
 *
 * @throws UserError for data that cannot be trained on.
 */
export async function openGptDataset(
  options: GptDatasetOptions,
  progress?: Progress,
): Promise<GptDataset | null> {
  const { sequenceLength, sampleCount, seed } = options;
  checkWhole("--seq-length", sequenceLength, 1);
  checkWhole("the number of samples", sampleCount, 0);
  checkWhole("--seed", seed, 0, 2 ** 32 - 1);
  const tokens = openIndexedDataset(options.prefix);
  try {
    const bounds = splitDocuments(options.split, tokens.lengths.length);
    const split = splitNames.indexOf(options.name);
    const [first, end] = [bounds[split]!, bounds[split + 1]!];
    if (first === end) {
      tokens.close();
      return null;
    }
    const indices = await openCachedIndices({
      ...indicesOf(tokens, options, [first, end]),
      progress,
    });
    checkLargestToken(options, indices.largestToken);
    return datasetOf(tokens, indices, sequenceLength);
  } catch (error) {
    tokens.close();
    throw error;
  }
}

function checkWhole(what: string, value: number, min: number, max = 2 ** 31 - 1): void {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new UserError(`${what} is ${value}: must be a whole number from ${min} to ${max}`);
  }
}

function indicesOf(
  tokens: IndexedDataset,
  options: GptDatasetOptions,
  [first, end]: readonly [number, number],
): CacheOptions {
  const { sampleCount, sequenceLength, seed } = options;
  const { prefix } = tokens;
  const build = { first, end, sampleCount, sequenceLength, seed };
  const isChecked = options.vocabularySize !== undefined;
  return {
    folder: options.cacheFolder ?? join(dirname(prefix), "index-cache"),
    description: JSON.stringify({
      ...build,
      isChecked,
      dataset: basename(prefix),
      files: fingerprintOf(prefix),
    }),
    trust: options.trustCache ?? false,
    build: (progress) => {
      tokens.verify();
      const lengths = tokens.lengths.slice(0, tokens.lengths.length);
      checkNotEmpty(prefix, options.name, lengths.subarray(first, end));
      const checked = reportStage(progress, "checking tokens");
      const largestToken = isChecked ? tokens.largestToken(checked) : null;
      return { ...buildIndices({ ...build, lengths, progress }), largestToken };
    },
  };
}

function checkLargestToken(
  { prefix, vocabularySize }: GptDatasetOptions,
  largest: number | null,
): void {
  if (vocabularySize === undefined || largest === null || largest < vocabularySize) return;
  throw new UserError(
    `${prefix}: has token ${largest}, but the vocabulary ends before ${vocabularySize}: the data was ` +
      "made with another tokenizer",
  );
}

function checkNotEmpty(prefix: string, name: SplitName, lengths: Iterable<number>): void {
  let sum = 0;
  for (const length of lengths) sum += length;
  if (sum < 2) {
    throw new UserError(`${prefix}: the documents for ${name} have ${sum} tokens, give more text`);
  }
}

/** Size and time of both files: a dataset that was written again has other indices. */
const fingerprintOf = (prefix: string): readonly (readonly [number, number])[] =>
  [".bin", ".idx"].map((ending) => {
    const { size, mtimeMs } = statSync(prefix + ending);
    return [size, mtimeMs] as const;
  });

function datasetOf(tokens: IndexedDataset, files: IndexFiles, length: number): GptDataset {
  const documents = files.documentIndex.array;
  const samples = files.sampleIndex.array;
  const order = files.shuffleIndex.array;
  return {
    count: order.length,
    length,
    documentIndex: documents,
    sampleIndex: samples,
    shuffleIndex: order,
    tokenCount: tokens.tokenCount,
    read(index, out) {
      if (!(Number.isInteger(index) && index >= 0 && index < order.length)) {
        throw new RangeError(`sample ${index}: there are ${order.length}, from 0`);
      }
      const sample = order.at(index);
      let from = samples.at(2 * sample + 1);
      let done = 0;
      for (let next = samples.at(2 * sample); done <= length; next += 1, from = 0) {
        const document = documents.at(next);
        const count = Math.min(tokens.lengths.at(document) - from, length + 1 - done);
        tokens.read(document, from, count, out, done);
        done += count;
      }
    },
    close() {
      tokens.close();
      for (const file of [files.documentIndex, files.sampleIndex, files.shuffleIndex]) file.close();
    },
  };
}
