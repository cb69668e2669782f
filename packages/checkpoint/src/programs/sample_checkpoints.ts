// Checkpoints of synthetic tensors, for tests: every element is a function of its index and the step.

import { gptConfig, noDropout, saveConfig } from "@tessera/gpt";
import { fullSlice } from "@tessera/random";
import type { CheckpointMetadata } from "../sharded/index_format.js";
import type { TensorSource } from "../sharded/writer.js";

/** Element `index` of the tensor after `step` steps. */
export const elementAt = (step: number, index: number): number => 1000 * step + (index % 997);

export const NAME = "weights.table";

export const metadataOf = (step: number): CheckpointMetadata => ({
  progress: { step, consumedSamples: 4 * step, seed: 7, identity: { seed: 7 } },
  family: "gpt",
  config: saveConfig(
    gptConfig({
      layerCount: 1,
      hiddenSize: 8,
      headCount: 2,
      vocabularySize: 16,
      maxPositions: 8,
      dropout: noDropout,
    }),
  ),
  schedule: { kind: "constant" },
  run: { step },
});

/** What rank `rank` of `ranks` writes of a tensor [rows, 8] at a step. */
export function sourcesOf(
  step: number,
  { rank, ranks, rows }: { readonly rank: number; readonly ranks: number; readonly rows: number },
): readonly TensorSource[] {
  const size = 8 * rows;
  const [first, end] = [rank, rank + 1].map((index) => Math.floor((size * index) / ranks)) as [
    number,
    number,
  ];
  const piece = { slice: fullSlice([rows, 8]), sliceOffset: first, size: end - first };
  const copy = (into: Float32Array): void => {
    for (let i = 0; i < into.length; i += 1) into[i] = elementAt(step, first + i);
  };
  return [{ name: NAME, range: piece, copy }];
}
