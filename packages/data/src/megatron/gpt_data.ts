// The train, valid and test samples of a run: datasets that are split, or separate ones, blended by weight.

import { blendSamples, blendCounts, normalizeWeights, type DataPath } from "./blend.js";
import { openGptDataset, type GptDataset, type GptDatasetOptions } from "./gpt_dataset.js";
import type { Progress } from "../progress.js";
import type { Samples } from "../samples.js";
import { splitNames, type SplitName } from "./splits.js";

/** What a run reads. */
export interface GptDataOptions extends Pick<
  GptDatasetOptions,
  "sequenceLength" | "seed" | "cacheFolder" | "vocabularySize" | "trustCache"
> {
  /** Datasets to be split, or the datasets of each split. */
  readonly paths: readonly DataPath[] | Readonly<Record<SplitName, readonly DataPath[]>>;
  /** Megatron's `--split`, for datasets to be split. */
  readonly split: string;
  /** Samples that are needed of each split; 0 opens nothing. */
  readonly sampleCounts: Readonly<Record<SplitName, number>>;
}

/** The samples of one split. */
export interface SplitSamples extends Samples {
  /** Independent of paths: `0.3 of 1000 + 0.7 of 400 tokens, split 98,2,0`. */
  readonly description: string;
}

/** Open datasets. */
export interface GptData {
  /** Null for a split without documents, or of which no samples are needed. */
  readonly splits: Readonly<Record<SplitName, SplitSamples | null>>;
  readonly close: () => void;
}

/** Splits that give all documents to one. */
const undivided: Readonly<Record<SplitName, string>> = {
  train: "1,0,0",
  valid: "0,1,0",
  test: "0,0,1",
};

/**
 * Opens all splits.
 *
 * @throws UserError for datasets that cannot be trained on.
 */
export async function openGptData(options: GptDataOptions, progress?: Progress): Promise<GptData> {
  const opened: OpenSplit[] = [];
  const close = () => {
    for (const split of opened) split.close();
  };
  try {
    const splits: Partial<Record<SplitName, SplitSamples | null>> = {};
    for (const name of splitNames) {
      const split = await openSplit(options, name, progress);
      if (split !== null) opened.push(split);
      splits[name] = split?.samples ?? null;
    }
    return { splits: splits as GptData["splits"], close };
  } catch (error) {
    close();
    throw error;
  }
}

export interface OpenSplit {
  readonly samples: SplitSamples;
  readonly close: () => void;
}

/** Opens the split `name` alone; null where there is nothing for it. Throws a UserError. */
export async function openSplit(
  options: GptDataOptions,
  name: SplitName,
  progress?: Progress,
): Promise<OpenSplit | null> {
  const { paths, split, sampleCounts } = options;
  const isSeparate = "train" in paths;
  const datasets = isSeparate ? paths[name] : paths;
  const count = sampleCounts[name];
  if (datasets.length === 0 || count === 0) return null;
  const weights = normalizeWeights(datasets.map(({ weight }) => weight));
  const counts = datasets.length === 1 ? [count] : blendCounts(weights, count);
  const opened: GptDataset[] = [];
  const close = () => {
    for (const dataset of opened) dataset.close();
  };
  try {
    const blended: { samples: GptDataset; weight: number }[] = [];
    for (const [i, { prefix }] of datasets.entries()) {
      const ofSplit = { prefix, name, split: isSeparate ? undivided[name] : split };
      const dataset = { ...options, ...ofSplit, sampleCount: counts[i]! };
      const samples = await openGptDataset(dataset, progress);
      if (samples === null) continue;
      opened.push(samples);
      blended.push({ samples, weight: weights[i]! });
    }
    if (blended.length === 0) return null;
    const samples = blended.length === 1 ? blended[0]!.samples : blendSamples(blended, count);
    const description = describe(blended) + (isSeparate ? "" : `, split ${split}`);
    return { samples: { ...samples, description }, close };
  } catch (error) {
    close();
    throw error;
  }
}

const describe = (parts: readonly { samples: GptDataset; weight: number }[]): string =>
  parts.length === 1
    ? `${parts[0]!.samples.tokenCount} tokens`
    : `${parts.map(({ samples, weight }) => `${Number(weight.toPrecision(6))} of ${samples.tokenCount}`).join(" + ")} tokens`;
