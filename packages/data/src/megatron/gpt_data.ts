// All that a run trains, validates and tests on: datasets split or given apart, blended by weights.

import { blendSamples, blendCounts, normalizeWeights, type DataPath } from "./blend.js";
import { openGptDataset, type GptDataset, type GptDatasetOptions } from "./gpt_dataset.js";
import type { Progress } from "../progress.js";
import type { Samples } from "../samples.js";
import { splitNames, type SplitName } from "./splits.js";

export interface GptDataOptions extends Pick<
  GptDatasetOptions,
  "sequenceLength" | "seed" | "cacheFolder" | "vocabularySize" | "trustCache"
> {
  /** Datasets to be split, or those of each part. */
  readonly paths: readonly DataPath[] | Readonly<Record<SplitName, readonly DataPath[]>>;
  /** For datasets to be split. */
  readonly split: string;
  readonly sampleCounts: Readonly<Record<SplitName, number>>;
}

export interface SplitSamples extends Samples {
  /** What the samples are of, wherever it stands: `0.3 of 1000 + 0.7 of 400 tokens, split 98,2,0`. */
  readonly description: string;
}

export interface GptData {
  /** Null where there is nothing for it. */
  readonly splits: Readonly<Record<SplitName, SplitSamples | null>>;
  readonly close: () => void;
}

const whole: Readonly<Record<SplitName, string>> = {
  train: "1,0,0",
  valid: "0,1,0",
  test: "0,0,1",
};

/** Opens all parts. Throws a UserError before it builds anything that a mistake would spoil. */
export async function openGptData(options: GptDataOptions, progress?: Progress): Promise<GptData> {
  const opened: OpenSplit[] = [];
  const close = () => {
    for (const part of opened) part.close();
  };
  try {
    const parts: Partial<Record<SplitName, SplitSamples | null>> = {};
    for (const name of splitNames) {
      const part = await openSplit(options, name, progress);
      if (part !== null) opened.push(part);
      parts[name] = part?.samples ?? null;
    }
    return { splits: parts as GptData["splits"], close };
  } catch (error) {
    close();
    throw error;
  }
}

export interface OpenSplit {
  readonly samples: SplitSamples;
  readonly close: () => void;
}

/** Opens the part called `name` alone; null where there is nothing for it. Throws a UserError. */
export async function openSplit(
  options: GptDataOptions,
  name: SplitName,
  progress?: Progress,
): Promise<OpenSplit | null> {
  const { paths, split, sampleCounts } = options;
  const isApart = "train" in paths;
  const datasets = isApart ? paths[name] : paths;
  const count = sampleCounts[name];
  if (datasets.length === 0 || count === 0) return null;
  const shares = normalizeWeights(datasets.map(({ weight }) => weight));
  const counts = datasets.length === 1 ? [count] : blendCounts(shares, count);
  const opened: GptDataset[] = [];
  const close = () => {
    for (const dataset of opened) dataset.close();
  };
  try {
    const blended: { samples: GptDataset; weight: number }[] = [];
    for (const [i, { prefix }] of datasets.entries()) {
      const ofPart = { prefix, name, split: isApart ? whole[name] : split };
      const dataset = { ...options, ...ofPart, sampleCount: counts[i]! };
      const samples = await openGptDataset(dataset, progress);
      if (samples === null) continue;
      opened.push(samples);
      blended.push({ samples, weight: shares[i]! });
    }
    if (blended.length === 0) return null;
    const samples = blended.length === 1 ? blended[0]!.samples : blendSamples(blended, count);
    const description = describe(blended) + (isApart ? "" : `, split ${split}`);
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
