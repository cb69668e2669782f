// Flags that select samples of a dataset.

import { choice, number, text, UserError, type FlagValues } from "@tessera/config";
import { logProgress } from "@tessera/data";
import { openGptDataset, splitNames, type GptDataset } from "@tessera/data/megatron";

const count = { min: 1, whole: true } as const;

export const sampleFlags = {
  name: choice("which split", splitNames, "train"),
  split: text("weights of train, valid and test", "SHARES", "969,30,1"),
  "num-samples": number("samples to lay out", count),
  "seq-length": number("inputs of a sample, in tokens", count),
  seed: number("of the sample order", { min: 0, max: 2 ** 32 - 1, whole: true }, 1234),
  "data-cache-path": text("where the indices are kept; beside the data by default", "FOLDER"),
};

export type SampleFlags = FlagValues<{ readonly Samples: typeof sampleFlags }>;

export async function openSamples(prefix: string, flags: SampleFlags): Promise<GptDataset> {
  const { "num-samples": sampleCount, "seq-length": sequenceLength, name, split, seed } = flags;
  if (sampleCount === undefined) throw new UserError("--num-samples: give the number of samples");
  if (sequenceLength === undefined)
    throw new UserError("--seq-length: give the tokens of each sample");
  const cacheFolder = flags["data-cache-path"];
  const options = { prefix, name, split, sampleCount, sequenceLength, seed, cacheFolder };
  const progress = logProgress((line) => process.stderr.write(line));
  const dataset = await openGptDataset(options, progress);
  if (dataset === null) throw new UserError(`--split ${split}: leaves no document for ${name}`);
  return dataset;
}
