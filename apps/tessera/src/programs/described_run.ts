// A program that describes its run: a small GPT, changed by what its only word says in JSON.

import { createFeed, sequentialOrder } from "@tessera/data";
import { gptConfig, gptModel, uniformDropout, type GptConfig, type GptParams } from "@tessera/gpt";
import type { ParallelConfig, RunConfig } from "@tessera/trainer";

/** What is not as it is by default. */
export interface Changes {
  readonly gpt?: Partial<GptConfig>;
  readonly parallel?: ParallelConfig;
  readonly run?: Partial<RunConfig<GptParams>>;
}

/** Tokens of a sample. */
const LENGTH = 32;

const samples = {
  count: 200,
  length: LENGTH,
  read: (index: number, into: Int32Array): void => {
    for (let i = 0; i <= LENGTH; i += 1)
      into[i] = (7 * index * index + 13 * i * i + index * i) % 997;
  },
};

export function describeRun([text = "{}"]: readonly string[]): RunConfig<GptParams> {
  const { gpt, parallel = {}, run } = JSON.parse(text) as Changes;
  return {
    model: gptModel(
      gptConfig({
        layerCount: 4,
        hiddenSize: 512,
        headCount: 8,
        vocabularySize: 1001,
        maxPositions: LENGTH,
        dropout: uniformDropout(0.1),
        ...gpt,
      }),
    ),
    data: { train: createFeed(samples, { order: sequentialOrder(samples.count) }) },
    batch: { micro: 2, accumulation: 4 },
    duration: { steps: 1000 },
    schedule: { kind: "constant", peak: 1e-4, floor: 0, warmup: 10, total: 1000 },
    parallel,
    ...run,
  };
}
