// Flags that say which samples of a dataset are meant.

import { choice, number, text, UserError } from "@tessera/config";
import { logProgress } from "@tessera/data";
import {
  openGptDataset,
  splitNames,
  type GptDataset,
  type SplitName,
} from "@tessera/data/megatron";

const count = { min: 1, whole: true } as const;

export const sampleFlags = {
  name: choice("which part", splitNames, "train"),
  split: text("shares of train, valid and test", "SHARES", "969,30,1"),
  "num-samples": number("samples that are wanted", count),
  "seq-length": number("inputs of a sample, in tokens", count),
  seed: number("what the order is a function of", { min: 0, max: 2 ** 32 - 1, whole: true }, 1234),
  "data-cache-path": text("where the indices are kept; beside the data by default", "FOLDER"),
};

export interface SampleFlags {
  readonly name: SplitName;
  readonly split: string;
  readonly "num-samples": number | undefined;
  readonly "seq-length": number | undefined;
  readonly seed: number;
  readonly "data-cache-path": string | undefined;
}

export async function openSamples(prefix: string, flags: SampleFlags): Promise<GptDataset> {
  const { "num-samples": sampleCount, "seq-length": sequenceLength, name, split, seed } = flags;
  if (sampleCount === undefined) throw new UserError("--num-samples: say how many are wanted");
  if (sequenceLength === undefined)
    throw new UserError("--seq-length: say how many tokens each has");
  const cacheFolder = flags["data-cache-path"];
  const options = { prefix, name, split, sampleCount, sequenceLength, seed, cacheFolder };
  const progress = logProgress((line) => process.stderr.write(line));
  const dataset = await openGptDataset(options, progress);
  if (dataset === null) throw new UserError(`--split ${split}: leaves no document for ${name}`);
  return dataset;
}
