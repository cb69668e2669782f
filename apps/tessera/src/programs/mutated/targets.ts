// All that reads what others have made. A parser that is added gets a line here.

import { indexedDataset, sampleIndices } from "./datasets.js";
import { adapterFolder } from "./adapters.js";
import { modelFolder, onnxFolder, safetensors } from "./models.js";
import { startRequests } from "./requests.js";
import type { Ends, Target } from "./series.js";
import { runSeries } from "./series.js";
import { deepSpeedConfig, environments } from "./settings.js";
import { corpora, tokenizerJson, vocabularyFiles } from "./tokenizers.js";

/** The targets whose inputs lie in `folder`. */
export const fileTargets = (folder: string): readonly Target[] => [
  ...[
    safetensors,
    modelFolder,
    adapterFolder,
    onnxFolder,
    tokenizerJson,
    vocabularyFiles,
    corpora,
  ].map((target) => target(folder)),
  ...[indexedDataset, sampleIndices, deepSpeedConfig].map((target) => target(folder)),
  environments(),
];

/** A series over all targets, in `folder`, which is empty. */
export async function runAll(
  folder: string,
  count: number,
  seed: number,
): Promise<ReadonlyMap<string, Ends>> {
  const requests = await startRequests();
  try {
    return await runSeries([...fileTargets(folder), requests.target], count, seed);
  } finally {
    await requests.stop();
  }
}
