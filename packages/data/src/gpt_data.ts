// All that a run trains, validates and tests on: datasets split or given apart, blended by weights.

import { blend, blendCounts, normalized, type DataPath } from "./blend.js";
import { openGptDataset, type GptDataset, type GptDatasetOptions } from "./gpt_dataset.js";
import type { Samples } from "./samples.js";
import { splitNames, type SplitName } from "./splits.js";

export interface GptDataOptions extends Pick<
  GptDatasetOptions,
  "sequenceLength" | "seed" | "cacheFolder" | "vocabularySize"
> {
  /** Datasets to be split, or those of each part. */
  readonly paths: readonly DataPath[] | Readonly<Record<SplitName, readonly DataPath[]>>;
  /** For datasets to be split. */
  readonly split: string;
  readonly sampleCounts: Readonly<Record<SplitName, number>>;
}

export interface GptData {
  /** Null where there is nothing for it. */
  readonly parts: Readonly<Record<SplitName, Samples | null>>;
  readonly close: () => void;
}

const whole: Readonly<Record<SplitName, string>> = {
  train: "1,0,0",
  valid: "0,1,0",
  test: "0,0,1",
};

/** Opens all parts. Throws a UserError before it builds anything that a mistake would spoil. */
export async function openGptData(options: GptDataOptions): Promise<GptData> {
  const opened: GptDataset[] = [];
  const open = async (name: SplitName): Promise<Samples | null> => {
    const { paths } = options;
    const apart = "train" in paths;
    const parts = apart ? paths[name] : paths;
    if (parts.length === 0) return null;
    const shares = normalized(parts.map(({ weight }) => weight));
    const count = options.sampleCounts[name];
    const counts = parts.length === 1 ? [count] : blendCounts(shares, count);
    const blended: { samples: Samples; weight: number }[] = [];
    for (const [i, { prefix }] of parts.entries()) {
      const samples = await openGptDataset({
        ...options,
        prefix,
        name,
        split: apart ? whole[name] : options.split,
        sampleCount: counts[i]!,
      });
      if (samples === null) continue;
      opened.push(samples);
      blended.push({ samples, weight: shares[i]! });
    }
    if (blended.length === 0) return null;
    return blended.length === 1 ? blended[0]!.samples : blend(blended, count);
  };
  const close = () => {
    for (const dataset of opened) dataset.close();
  };
  try {
    const parts: Partial<Record<SplitName, Samples | null>> = {};
    for (const name of splitNames) parts[name] = await open(name);
    return { parts: parts as GptData["parts"], close };
  } catch (error) {
    close();
    throw error;
  }
}
